// SPDX-License-Identifier: Apache-2.0
// runtime/helper.h, which this room may not include.
int helper_main(int argc, char** argv);

int main(int argc, char** argv) { return helper_main(argc, argv); }
