/* ds4.h read by a C compiler: the layout is checked while this is compiled, the names when it is linked. */
#include "ds4_abi_checks.h"

int ds4_abi_names_in_c(void) { return (int)(sizeof ds4_all_names / sizeof ds4_all_names[0]); }
