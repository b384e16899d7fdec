// ds4.h read by a C++ compiler; test_ds4_abi.c is the same in C.
#include "check.h"
#include "ds4_abi_checks.h"

TEST(ds4_abi_has_all_names) {
    for (const ds4_any_function name : ds4_all_names) CHECK(name != nullptr);
}
