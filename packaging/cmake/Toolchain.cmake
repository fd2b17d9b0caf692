# Warnings and hardening. Every flag is probed, so that a compiler without one still builds.
include(CheckCCompilerFlag)
include(CheckLinkerFlag)

function(add_flags_if_known)
	foreach(flag IN LISTS ARGN)
		string(MAKE_C_IDENTIFIER "HAVE_FLAG${flag}" known)
		# -Werror, because clang only warns of some flags that it does not know
		set(CMAKE_REQUIRED_FLAGS "-Werror")
		check_c_compiler_flag("${flag}" ${known})
		if(${known})
			add_compile_options("${flag}")
		endif()
	endforeach()
endfunction()

function(add_link_flags_if_known)
	foreach(flag IN LISTS ARGN)
		string(MAKE_C_IDENTIFIER "HAVE_LINK${flag}" known)
		check_linker_flag(C "${flag}" ${known})
		if(${known})
			add_link_options("${flag}")
		endif()
	endforeach()
endfunction()

add_compile_definitions(_GNU_SOURCE)
add_flags_if_known(
	-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wformat=2
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
	-Wundef -Wvla -Wcast-qual -Wwrite-strings -Wpointer-arith -Wswitch-enum
	-Wimplicit-fallthrough -Wnull-dereference -Wdouble-promotion -Walloca
	-Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wtrampolines)

# https://best.openssf.org/Compiler-Hardening-Guides/Compiler-Options-Hardening-Guide-for-C-and-C++
# PIE for the libraries as well, which only programs link: -fPIC would keep gcc from inlining.
add_flags_if_known(
	-fPIE -fno-delete-null-pointer-checks -fno-strict-overflow -fno-common
	-fstack-protector-strong -fstack-clash-protection -fcf-protection=full
	-ftrivial-auto-var-init=zero -fstrict-flex-arrays=3)
add_link_flags_if_known(
	-pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,nodlopen
	-Wl,--as-needed -Wl,--no-copy-dt-needed-entries)

if(ECHOD_FUZZ)
	# what libFuzzer steers by; each fuzzer links its engine, -fsanitize=fuzzer
	add_compile_options(-fsanitize=fuzzer-no-link)
	add_link_options(-fsanitize=fuzzer-no-link)
endif()
if(ECHOD_SANITIZE)
	add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
		-fno-omit-frame-pointer)
	add_link_options(-fsanitize=address,undefined)
elseif(ECHOD_COVERAGE)
	# Assertions have branches that must not be taken.
	add_compile_options(--coverage -O0 -DNDEBUG)
	add_link_options(--coverage)
else()
	# Level 3 counts the bounds of what malloc returned, too; it needs optimization to see them.
	add_compile_options(
		$<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:-U_FORTIFY_SOURCE>
		$<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:-D_FORTIFY_SOURCE=3>)
endif()
