// SPDX-License-Identifier: Apache-2.0
#pragma once
// docker build --squash: everything above the base image as one layer.

#include "build/job.h"

namespace pila::build {

Result<image::ImagePointer> squash(Job& job, const StageResult& built);

}  // namespace pila::build
