# SPDX-License-Identifier: Apache-2.0
# A room is a folder src/NAME: one static library pila_NAME from its *.cpp, one program NAME-test from its *_test.cpp
# (doctest). What it may use of other rooms is its line in src/rooms.txt, which tools/check-rooms enforces too.

file(STRINGS ${CMAKE_SOURCE_DIR}/src/rooms.txt room_lines REGEX "^[a-z]")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/rooms.txt)

# pila_room([EXTERNAL libraries...] [EXCLUDE files...])    called from src/NAME/CMakeLists.txt
function(pila_room)
    cmake_parse_arguments(ROOM "" "" "EXTERNAL;EXCLUDE" ${ARGN})
    file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR}/src ${CMAKE_CURRENT_SOURCE_DIR})
    string(REPLACE "/" "_" target ${name})
    file(GLOB sources CONFIGURE_DEPENDS *.cpp)
    file(GLOB tests CONFIGURE_DEPENDS *_test.cpp)
    foreach(excluded ${tests} ${ROOM_EXCLUDE})
        cmake_path(ABSOLUTE_PATH excluded)
        list(REMOVE_ITEM sources ${excluded})
    endforeach()

    set(uses "")
    foreach(line ${room_lines})
        if(line MATCHES "^${name}:(.*)$")
            string(REGEX MATCHALL "[a-z/]+" rooms "${CMAKE_MATCH_1}")
            foreach(room ${rooms})
                if(NOT EXISTS ${CMAKE_SOURCE_DIR}/src/${room}/CMakeLists.txt)
                    continue()
                endif()
                string(REPLACE "/" "_" room ${room})
                list(APPEND uses pila_${room})
            endforeach()
        endif()
    endforeach()

    # Only where a failpoint is: the other objects are those of the ordinary build, and ccache has them.
    if(PILA_WITH_FAILPOINTS)
        foreach(source ${sources})
            file(STRINGS ${source} points REGEX "PILA_(FAIL|CRASH)POINT|PILA_WITH_FAILPOINTS" LIMIT_COUNT 1)
            if(points)
                set_property(SOURCE ${source} APPEND PROPERTY COMPILE_DEFINITIONS PILA_WITH_FAILPOINTS)
            endif()
        endforeach()
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${sources})
    endif()

    add_library(pila_${target} STATIC ${sources})
    target_include_directories(pila_${target} PUBLIC ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(pila_${target} PUBLIC ${uses} ${ROOM_EXTERNAL})
    if(tests)
        if(NOT TARGET pila_test_main)  # compiled once: doctest's own code takes as long as ten tests
            add_library(pila_test_main OBJECT ${CMAKE_SOURCE_DIR}/src/base/test_main.cpp)
        endif()
        add_executable(${target}-test ${tests})
        target_link_libraries(${target}-test PRIVATE pila_${target} pila_test_main)
        set_target_properties(${target}-test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
        add_test(NAME unit.${target} COMMAND ${target}-test)
        set_tests_properties(unit.${target} PROPERTIES TIMEOUT 120)
    endif()
endfunction()
