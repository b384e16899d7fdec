// A very small test harness: TEST(name) { CHECK(...); } registers itself, main() runs all or those named on the command line.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace check {

struct Case {
    const char *name;
    void (*run)();
};
inline std::vector<Case> &cases() {
    static std::vector<Case> all;
    return all;
}
inline int &failures() {
    static int n = 0;
    return n;
}
struct Register {
    Register(const char *name, void (*run)()) { cases().push_back({name, run}); }
};
inline void report(const char *file, int line, const std::string &what) {
    failures()++;
    std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
}

} // namespace check

#define TEST(name)                                                                                                     \
    static void test_##name();                                                                                         \
    static check::Register register_##name(#name, test_##name);                                                        \
    static void test_##name()

#define CHECK(cond)                                                                                                    \
    do {                                                                                                               \
        if (!(cond)) check::report(__FILE__, __LINE__, "CHECK failed: " #cond);                                        \
    } while (0)
#define CHECK_EQ(a, b)                                                                                                 \
    do {                                                                                                               \
        const auto check_a = (a);                                                                                      \
        const auto check_b = (b);                                                                                      \
        if (!(check_a == check_b)) check::report(__FILE__, __LINE__, "CHECK_EQ failed: " #a " == " #b);                \
    } while (0)
// body must throw ds4::Error with this status code, and its text must contain the words.
#define CHECK_ERROR(body, status, words)                                                                               \
    do {                                                                                                               \
        bool check_threw = false;                                                                                      \
        try {                                                                                                          \
            body;                                                                                                      \
        } catch (const ds4::Error &check_e) {                                                                          \
            check_threw = true;                                                                                        \
            if (check_e.code() != (status) || !std::strstr(check_e.what(), words))                                     \
                check::report(__FILE__, __LINE__,                                                                      \
                              std::string("wrong error: ") + std::to_string(check_e.code()) + " " + check_e.what());   \
        }                                                                                                              \
        if (!check_threw) check::report(__FILE__, __LINE__, "no error from: " #body);                                  \
    } while (0)
