# Writes OUT, a C file that holds the files FILES (separated by "|") as arrays. Run with cmake -P.
set(table "")
set(arrays "")
set(number 0)
string(REPLACE "|" ";" FILES "${FILES}")
foreach(path ${FILES})
    get_filename_component(name ${path} NAME)
    file(READ ${path} bytes HEX)
    string(LENGTH "${bytes}" digits)
    math(EXPR size "${digits} / 2")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
    string(APPEND arrays "static const unsigned char file_${number}[] = {\n${bytes}\n0};\n\n")
    string(APPEND table "    {\"${name}\", file_${number}, ${size}},\n")
    math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUT} "#include \"embedded.h\"

#include <string.h>

${arrays}static const struct embedded_file files[] = {
${table}};

const struct embedded_file *embedded_find(const char *name)
{
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (strcmp(files[i].name, name) == 0)
            return &files[i];
    }
    return NULL;
}
")
