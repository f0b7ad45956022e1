# schema.sql becomes a C string in the binary.
set(schema_sql ${CMAKE_SOURCE_DIR}/src/ledger/schema.sql)
set(schema_c ${CMAKE_BINARY_DIR}/generated/ledger/schema_sql.c)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${schema_sql})
file(READ ${schema_sql} schema_text)
string(REPLACE "\\" "\\\\" schema_text "${schema_text}")
string(REPLACE "\"" "\\\"" schema_text "${schema_text}")
string(REPLACE "\n" "\\n\"\n    \"" schema_text "${schema_text}")
file(CONFIGURE OUTPUT ${schema_c} @ONLY CONTENT
    "#include \"ledger/schema.h\"\n\nconst char ledger_schema_1[] =\n    \"@schema_text@\";\n")
target_sources(tally_ledger PRIVATE ${schema_c})
