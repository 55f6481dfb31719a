# An overlay port that builds the checkout it lies in: vcpkg install libahoy --overlay-ports=packaging
# Needs cargo, make and GNU binutils beside vcpkg's own tools. Building is `make`, installing `make install`.
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
set(BUILT "${CURRENT_BUILDTREES_DIR}/${TARGET_TRIPLET}")

vcpkg_execute_required_process(
  COMMAND make build "CARGO_TARGET_DIR=${BUILT}"
  WORKING_DIRECTORY "${SOURCE_PATH}"
  LOGNAME "build-${TARGET_TRIPLET}")
vcpkg_execute_required_process(
  COMMAND make install "CARGO_TARGET_DIR=${BUILT}" "PREFIX=${CURRENT_PACKAGES_DIR}" "DESTDIR="
  WORKING_DIRECTORY "${SOURCE_PATH}"
  LOGNAME "install-${TARGET_TRIPLET}")

# The triplet says which of the two libraries there is.
if(VCPKG_LIBRARY_LINKAGE STREQUAL "static")
  file(GLOB unwanted "${CURRENT_PACKAGES_DIR}/lib/libahoy.so*")
else()
  set(unwanted "${CURRENT_PACKAGES_DIR}/lib/libahoy.a" "${CURRENT_PACKAGES_DIR}/lib/pkgconfig/ahoy-static.pc")
endif()
file(REMOVE ${unwanted})

vcpkg_cmake_config_fixup(PACKAGE_NAME ahoy CONFIG_PATH lib/cmake/ahoy)
vcpkg_fixup_pkgconfig()
set(VCPKG_POLICY_MISMATCHED_NUMBER_OF_BINARIES enabled) # one optimised library, and none for debugging
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/doc")
vcpkg_install_copyright(FILE_LIST
  "${SOURCE_PATH}/LICENSE-MIT" "${SOURCE_PATH}/LICENSE-APACHE" "${BUILT}/dist/ready/THIRD-PARTY")
