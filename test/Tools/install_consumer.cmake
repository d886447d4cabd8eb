# A project outside Rill's tree; test/Tools/install.test configures a copy.
cmake_minimum_required(VERSION 3.25)
project(consumer C)
find_package(Rill 0.1 REQUIRED)
add_executable(answer ${RILL_EXAMPLES}/answer.c)
target_link_libraries(answer Rill::generate)
file(WRITE ${CMAKE_BINARY_DIR}/version.c
  "#include <rill.h>\n#include <stdio.h>\nint main(void) { puts(rill_version()); return 0; }\n")
add_executable(version ${CMAKE_BINARY_DIR}/version.c)
target_link_libraries(version Rill::runtime_static)
