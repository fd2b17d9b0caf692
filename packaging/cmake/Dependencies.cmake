# What echod stands on: libev (the loop), libsystemd (sd-daemon), libsodium (SipHash, base64), libinih (the
# configuration file); its tools: json-c, zlib (histograms).
find_package(PkgConfig REQUIRED)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(INIH REQUIRED IMPORTED_TARGET inih)
pkg_check_modules(JSON REQUIRED IMPORTED_TARGET json-c)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)

# libev ships no pkg-config file. The static one is for the tests: the linker's --wrap reaches only
# what is linked in.
find_path(EV_INCLUDE_DIR ev.h REQUIRED)
find_library(EV_LIBRARY ev REQUIRED)
find_library(EV_STATIC_LIBRARY libev.a)
foreach(kind IN ITEMS "" _STATIC)
	if(EV${kind}_LIBRARY)
		string(TOLOWER "ev${kind}" name)
		add_library(${name} INTERFACE IMPORTED)
		# SYSTEM: ev.h is not held to this project's warnings
		target_include_directories(${name} SYSTEM INTERFACE ${EV_INCLUDE_DIR})
		target_link_libraries(${name} INTERFACE ${EV${kind}_LIBRARY} m)
	endif()
endforeach()
# EV_MULTIPLICITY etc. come from ev.h's defaults. It breaks strict aliasing by design
# (every watcher is cast to ev_watcher), as its manual says.
add_compile_options(-fno-strict-aliasing)
