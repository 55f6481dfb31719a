"""Builds the checkout it lies in: conan create packaging/conan. Needs cargo, make and GNU binutils."""

import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.files import copy, load, rm, rmdir


class Ahoy(ConanFile):
    name = "libahoy"
    license = "MIT OR Apache-2.0"
    description = "HTTP client for services on several hosts: balancing, circuit breaking and retries under one deadline"
    topics = ("http", "client", "load-balancing", "circuit-breaker")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False], "profile": ["dist", "release"]}
    # dist is what is shipped, and takes minutes to build.
    default_options = {"shared": True, "profile": "dist"}

    @property
    def _checkout(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        manifest = load(self, os.path.join(self._checkout, "Cargo.toml"))
        self.version = re.search(r'^version = "(.*)"', manifest, re.M)[1]

    def export_sources(self):
        for pattern in (
            "Cargo.*", "cbindgen.toml", "Makefile", "LICENSE-*", "README.md", "CHANGELOG.md", "build/*", "include/*",
            "src/*", "packaging/*", "benches/micro/*", "benches/simulator/*", "tests/support/*",
        ):
            copy(self, pattern, self._checkout, self.export_sources_folder)

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("libahoy is tested on Linux only")

    def package_id(self):
        # A C ABI: neither the compiler nor its settings matter.
        self.info.settings.rm_safe("compiler")
        self.info.settings.rm_safe("build_type")
        self.info.options.rm_safe("shared")

    def build(self):
        self.run(f"make build PROFILE={self.options.profile}", cwd=self.source_folder)

    def package(self):
        self.run(
            f"make install PROFILE={self.options.profile} PREFIX={self.package_folder} DESTDIR=", cwd=self.source_folder
        )
        os.rename(
            os.path.join(self.package_folder, "share", "doc", "ahoy"), os.path.join(self.package_folder, "licenses")
        )
        rmdir(self, os.path.join(self.package_folder, "share", "doc"))
        rmdir(self, os.path.join(self.package_folder, "lib", "cmake"))
        rmdir(self, os.path.join(self.package_folder, "lib", "pkgconfig"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "ahoy")
        self.cpp_info.set_property("pkg_config_name", "ahoy")
        if self.options.shared:
            self.cpp_info.set_property("cmake_target_name", "ahoy::ahoy")
            self.cpp_info.libs = ["ahoy"]
        else:
            self.cpp_info.set_property("cmake_target_name", "ahoy::ahoy_static")
            self.cpp_info.libs = [":libahoy.a"]
            self.cpp_info.system_libs = ["util", "rt", "pthread", "m", "dl"]
