# Debian's MLIR 22 as two shared libraries, and one precompiled header.
find_package(MLIR REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "Rill needs MLIR 22, found ${LLVM_VERSION}")
endif()
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)
separate_arguments(LLVM_DEFS NATIVE_COMMAND "${LLVM_DEFINITIONS}")

add_library(rill_mlir INTERFACE)
target_include_directories(rill_mlir SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
target_include_directories(rill_mlir INTERFACE
  ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/include
  ${PROJECT_SOURCE_DIR}/runtime/include)
target_compile_definitions(rill_mlir INTERFACE ${LLVM_DEFS})
target_compile_options(rill_mlir INTERFACE -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-deprecated-declarations)
target_link_libraries(rill_mlir INTERFACE MLIR LLVM)

# Read by mlir_tablegen.
include_directories(SYSTEM ${MLIR_INCLUDE_DIRS})
include_directories(${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)

file(WRITE ${PROJECT_BINARY_DIR}/pch.cpp "")
add_library(rill_pch OBJECT ${PROJECT_BINARY_DIR}/pch.cpp)
target_link_libraries(rill_pch PUBLIC rill_mlir)
set_target_properties(rill_pch PROPERTIES POSITION_INDEPENDENT_CODE ON)
target_compile_options(rill_mlir INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
target_precompile_headers(rill_pch PRIVATE ${PROJECT_SOURCE_DIR}/include/rill/Pch.h)

# rill_add_library(NAME sources... DEPENDS tablegen-targets... LIBS libs...)
function(rill_add_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC rill_mlir ${ARG_LIBS})
  target_precompile_headers(${name} REUSE_FROM rill_pch)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

# rill_add_passes(STAGE): include/rill/<STAGE>/Passes.td -> Passes.h.inc.
function(rill_add_passes stage)
  set(LLVM_TARGET_DEFINITIONS ${PROJECT_SOURCE_DIR}/include/rill/${stage}/Passes.td)
  set(out ${PROJECT_BINARY_DIR}/include/rill/${stage}/Passes.h.inc)
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/include/rill/${stage})
  file(RELATIVE_PATH relative ${CMAKE_CURRENT_BINARY_DIR} ${out})
  mlir_tablegen(${relative} -gen-pass-decls -name=${stage})
  add_public_tablegen_target(Rill${stage}PassIncGen)
endfunction()
