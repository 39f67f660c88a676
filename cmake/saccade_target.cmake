# How every folder under src/ becomes one target.
#
#   saccade_library(<folder> [TESTS_COMPUTE] [DEPS <folder>...] [PACKAGES <imported target>...])
#
# takes every *.cc of the folder, except *_test.cc, into the static library saccade_<folder>; the *_test.cc files
# beside them become the one program <folder>_test, whose cases CTest lists by name. DEPS are the folders whose
# headers it may include; tests/include_checker.py holds the code to that list. TESTS_COMPUTE: its tests do arithmetic
# of their own, and are optimised as the folder is.

find_package(Threads REQUIRED)
if(SACCADE_WITHOUT_LIBRARIES)
  # From Debian's sources (libgtest-dev), which can be built for another machine.
  add_subdirectory(/usr/src/googletest ${CMAKE_BINARY_DIR}/googletest EXCLUDE_FROM_ALL)
else()
  find_package(GTest REQUIRED)
endif()
include(GoogleTest)

set(SACCADE_SANITIZE "" CACHE STRING "Sanitizers to build with, as in -fsanitize=")

add_library(saccade_options INTERFACE)
target_include_directories(saccade_options INTERFACE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
target_compile_options(saccade_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror=return-type -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overlaps in std::string's own operator+ (GCC bug 105651).
  target_compile_options(saccade_options INTERFACE -Wno-restrict)
endif()
if(SACCADE_SANITIZE)
  target_compile_options(saccade_options INTERFACE -fsanitize=${SACCADE_SANITIZE} -fno-omit-frame-pointer
                                                   -fno-sanitize-recover=all
                                                   -Wno-maybe-uninitialized)  # false alarms in instrumented code
  target_link_options(saccade_options INTERFACE -fsanitize=${SACCADE_SANITIZE})
endif()
target_link_libraries(saccade_options INTERFACE Threads::Threads)

if(BUILD_TESTING)
  add_library(saccade_unit_main STATIC ${CMAKE_SOURCE_DIR}/tests/unit_main.cc)
  target_link_libraries(saccade_unit_main PUBLIC saccade_options GTest::gtest)
endif()

function(saccade_library folder)
  cmake_parse_arguments(ARG "TESTS_COMPUTE" "" "DEPS;PACKAGES;TEST_DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc ${CMAKE_CURRENT_SOURCE_DIR}/*/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "(_(test|bench|fuzz)|/main)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(deps ${ARG_DEPS})
  list(TRANSFORM deps PREPEND saccade_)
  add_library(saccade_${folder} STATIC ${sources})
  target_link_libraries(saccade_${folder} PUBLIC saccade_options ${deps} PRIVATE ${ARG_PACKAGES})
  if(BUILD_TESTING AND tests)
    set(test_deps ${ARG_TEST_DEPS})
    list(TRANSFORM test_deps PREPEND saccade_)
    add_executable(${folder}_test ${tests})
    target_link_libraries(${folder}_test PRIVATE saccade_${folder} ${test_deps} ${ARG_PACKAGES} saccade_unit_main
                                                 GTest::gmock)
    if(NOT ARG_TESTS_COMPUTE AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
      # Most tests are compiled longer than they run; what they test is compiled as everywhere.
      target_compile_options(${folder}_test PRIVATE -O0)
    endif()
    target_compile_definitions(${folder}_test PRIVATE SACCADE_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
      $<$<BOOL:${CMAKE_CROSSCOMPILING_EMULATOR}>:SACCADE_EMULATED>)
    gtest_discover_tests(${folder}_test DISCOVERY_MODE PRE_TEST TEST_PREFIX "${folder}." PROPERTIES TIMEOUT 300)
  endif()
endfunction()
