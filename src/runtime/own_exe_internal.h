// SPDX-License-Identifier: Apache-2.0
#pragma once
// CVE-2019-5736: a container whose program is "#!/proc/self/exe" makes this executable run inside it, and could
// overwrite the file on the host once nobody runs it any more. Shims run from a sealed memfd. The command line does
// not, to save the second exec, and relies on this: only the first process of a container ever has our file as its exe,
// and in a pid namespace of its own that process is number 1 and alone, so main() refuses to be process 1 from an
// unprotected file.

#include "base/result.h"

namespace pila::runtime {

// A sealed memfd, or reached through a read-only mount.
bool own_exe_is_protected();
// Executes the same file again through a read-only mount that is attached nowhere. Only returns if that failed.
Error execute_protected(char** argv);

}  // namespace pila::runtime
