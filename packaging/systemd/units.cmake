# Makes the units from SOURCES in UNITS, for a daemon in lib/echod and a configuration file in CMAKE_INSTALL_SYSCONFDIR
# below CMAKE_INSTALL_PREFIX; LIBRARY_PATHS and LOADER_PATHS are what it needs besides. Each unit is made twice:
# for the one daemon, and as a template for several that share the port. Included by CMakeLists.txt, and run at the installation.
cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_BINDIR BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}" NORMALIZE
	OUTPUT_VARIABLE BINDIR)
cmake_path(APPEND CMAKE_INSTALL_PREFIX lib/echod OUTPUT_VARIABLE DAEMON_DIR)
cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_SYSCONFDIR BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}" NORMALIZE
	OUTPUT_VARIABLE SYSCONFDIR)
if(SYSCONFDIR STREQUAL "/usr/etc")
	set(SYSCONFDIR /etc) # as GNUInstallDirs
endif()
if(NOT DAEMON_DIR MATCHES "^/[-+./0-9@A-Z_a-z~]*$")
	message(FATAL_ERROR "${DAEMON_DIR}: units cannot name this path; choose a prefix of letters, digits and -+./@_~")
endif()

file(STRINGS ${SOURCES}/echod.service.in lines REGEX "^[A-Z]")
string(SHA256 SANDBOX "${lines}${LIBRARY_PATHS}${LOADER_PATHS}")
set(INSTANCE "")
set(DASH_INSTANCE "")
set(FOR_INSTANCE "")
set(AFFINITY "")
set(REUSE_PORT "")
set(CONFLICTS "")
set(STOP_SERVICE "")
set(PART_OF "echod.socket echod-udp.socket")
foreach(unit IN ITEMS echod.service echod.socket echod-udp.socket echod-stats.socket)
	configure_file(${SOURCES}/${unit}.in ${UNITS}/${unit} @ONLY)
endforeach()

# once for all instances
foreach(unit IN ITEMS echod-exporter.service echod-exporter.socket)
	configure_file(${SOURCES}/${unit}.in ${UNITS}/${unit} @ONLY)
endforeach()

set(INSTANCE "@%i")
set(DASH_INSTANCE "-%i")
set(FOR_INSTANCE ", instance %i")
set(AFFINITY "# one core for each instance, by its name
CPUAffinity=%i
")
set(REUSE_PORT "# the kernel spreads peers over the instances, by address and port
ReusePort=yes
")
# With PartOf= the service would stop first, and systemd reset what waits at a socket that is about to be closed.
set(PART_OF echod-udp@%i.socket)
set(STOP_SERVICE "# The service goes last: as the socket closes, what waits there moves to the other instances.
ExecStopPost=systemctl stop echod@%i.service
")
foreach(unit IN ITEMS echod.service echod.socket echod-udp.socket echod-stats.socket)
	string(REPLACE . @. template ${unit})
	string(REPLACE .socket "" plain ${unit})
	set(CONFLICTS "Conflicts=${plain}.socket\n")
	configure_file(${SOURCES}/${unit}.in ${UNITS}/${template} @ONLY)
endforeach()
