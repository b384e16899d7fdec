# CMake toolchain: the compiler of the PyPI package ziglang, for the target in the environment variable DS4_ZIG_TARGET, for
# example x86_64-linux-gnu.2.28. It links against the symbols of that version of the C library and makes its own libc++ a part
# of libds4, so that one machine builds the libraries of all systems. `release/build_wheels.py` uses it.
set(DS4_ZIG_TARGET $ENV{DS4_ZIG_TARGET})
set(DS4_ZIG_TOOLS $ENV{DS4_ZIG_TOOLS}) # folder of the scripts cc, c++, ar and ranlib that build_wheels.py writes
if(NOT DS4_ZIG_TARGET OR NOT DS4_ZIG_TOOLS)
  message(FATAL_ERROR "DS4_ZIG_TARGET and DS4_ZIG_TOOLS are not set: use release/build_wheels.py")
endif()

string(REGEX MATCH "^([a-z0-9_]+)-([a-z]+)" _ "${DS4_ZIG_TARGET}")
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_MATCH_1})
if(CMAKE_MATCH_2 STREQUAL "macos")
  set(CMAKE_SYSTEM_NAME Darwin)
  set(CMAKE_OSX_SYSROOT "") # the headers and the list of system symbols are Zig's
else()
  set(CMAKE_SYSTEM_NAME Linux)
endif()

set(CMAKE_C_COMPILER ${DS4_ZIG_TOOLS}/cc)
set(CMAKE_CXX_COMPILER ${DS4_ZIG_TOOLS}/c++)
set(CMAKE_AR ${DS4_ZIG_TOOLS}/ar)
set(CMAKE_RANLIB ${DS4_ZIG_TOOLS}/ranlib)
set(CMAKE_INSTALL_NAME_TOOL ${DS4_ZIG_TOOLS}/install_name_tool) # does nothing: the name is right from the start
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

# The system's own strip does not know the files of other systems.
set(CMAKE_SHARED_LINKER_FLAGS_INIT -s)
