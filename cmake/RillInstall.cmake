# What `cmake --install` puts where: libraries, headers, tools, and the files by
# which find_package(Rill) and pkg-config find them.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set_target_properties(rill_runtime PROPERTIES EXPORT_NAME runtime)
set_target_properties(rill_archive PROPERTIES EXPORT_NAME runtime_static)
set_target_properties(rill_generate_shared PROPERTIES EXPORT_NAME generate)
install(TARGETS rill_runtime rill_archive rill_generate_shared rill_cuda_emu EXPORT RillTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${RILL_ROOT}/runtime/include/rill.h ${RILL_ROOT}/runtime/include/rill.hpp
  ${RILL_ROOT}/runtime/include/rill_generate.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${RILL_ROOT}/LICENSE ${RILL_ROOT}/NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${RILL_ROOT}/runtime/include/rill-rt DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Rill)
install(EXPORT RillTargets NAMESPACE Rill:: DESTINATION ${package})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/RillConfig.cmake.in
  ${PROJECT_BINARY_DIR}/RillConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/RillConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/RillConfig.cmake ${PROJECT_BINARY_DIR}/RillConfigVersion.cmake
  DESTINATION ${package})
configure_file(${CMAKE_CURRENT_LIST_DIR}/rill.pc.in ${PROJECT_BINARY_DIR}/rill.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/rill.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(TARGETS rill-run rill-inspect rill-bench rill-emu-run
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(RILL_BUILD_COMPILER)
  install(TARGETS rill-compile rill-opt RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES ${PROJECT_BINARY_DIR}/bin/rill-import DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
