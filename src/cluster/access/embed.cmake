# SPDX-License-Identifier: Apache-2.0
file(READ ${TEXT} content)
# A string literal of C++ has 64 KiB at most everywhere.
file(WRITE ${OUTPUT} "#include \"cluster/access/standing.h\"\nnamespace pila::cluster::access {\nstd::string_view standing_text() { return R\"TEXT(${content})TEXT\"; }\n}  // namespace pila::cluster::access\n")
