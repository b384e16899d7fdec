// Runs the native tests: all, or those whose names contain one of the arguments. The last line counts them.
#include "check.h"

#include <exception>

int main(int argc, char **argv) {
    int passed = 0, failed = 0;
    for (const check::Case &c : check::cases()) {
        bool wanted = argc < 2;
        for (int i = 1; i < argc; i++) wanted |= std::strstr(c.name, argv[i]) != nullptr;
        if (!wanted) continue;
        const int before = check::failures();
        try {
            c.run();
        } catch (const std::exception &e) {
            check::report(c.name, 0, std::string("uncaught exception: ") + e.what());
        }
        if (check::failures() == before) {
            passed++;
        } else {
            failed++;
            std::fprintf(stderr, "FAILED %s\n", c.name);
        }
    }
    std::printf("native: %d passed, %d failed\n", passed, failed);
    return failed || !passed ? 1 : 0;
}
