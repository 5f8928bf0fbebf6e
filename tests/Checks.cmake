# The rules of the tree as tests. Each script prints what breaks a rule and exits 1.
file(GLOB checks ${CMAKE_SOURCE_DIR}/tests/checks/*.sh)
foreach(check IN LISTS checks)
  get_filename_component(name ${check} NAME_WE)
  add_test(NAME check_${name} COMMAND ${check} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(check_${name} PROPERTIES LABELS ci TIMEOUT 60
    ENVIRONMENT "DMARCATE_BUILD=${CMAKE_BINARY_DIR}")
endforeach()
