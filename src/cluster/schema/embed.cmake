# SPDX-License-Identifier: Apache-2.0
set(code "#include \"cluster/schema/data.h\"\nnamespace pila::cluster::schema {\nconst std::vector<Catalogue::Text>& builtin_texts() {\n    static const std::vector<Catalogue::Text> texts = {\n")
foreach(text ${TEXTS})
    cmake_path(GET text FILENAME name)
    file(READ ${text} content)
    string(APPEND code "{\"${name}\", R\"TEXT(${content})TEXT\"},\n")
endforeach()
string(APPEND code "};\n    return texts;\n}\n}  // namespace pila::cluster::schema\n")
file(WRITE ${OUTPUT} "${code}")
