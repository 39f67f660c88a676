# Fails if an object of a leaf defines a weak symbol whose mangled name has nothing of the leaf's own namespace in it: the
# linker could choose that definition, with instructions that a machine may lack, for the whole program.
#
#   cmake -DNM=<nm> -DOBJECTS=<object,object,...> -DLEAVES=<folder,folder,...> -P leaf_symbols_test.cmake
string(REPLACE "," ";" objects "${OBJECTS}")
string(REPLACE "," "|" leaves "${LEAVES}")
set(num_checked 0)
foreach(object IN LISTS objects)
  if(NOT object MATCHES "/(${leaves})/[^/]*$")
    continue()
  endif()
  set(isa ${CMAKE_MATCH_1})
  string(LENGTH "${isa}" isa_length)  # a mangled name has its length in front
  execute_process(COMMAND ${NM} ${object} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]* [uVW] [^\n]+" weak_symbols "${symbols}")
  foreach(symbol IN LISTS weak_symbols)
    if(NOT symbol MATCHES "${isa_length}${isa}")
      message(SEND_ERROR "${object} defines ${symbol}")
    endif()
  endforeach()
  math(EXPR num_checked "${num_checked} + 1")
endforeach()
if(num_checked EQUAL 0)
  message(SEND_ERROR "no object of a leaf among ${objects}")
endif()
