// SPDX-License-Identifier: Apache-2.0
#pragma once
// gzip (RFC 1952) of large answers to those who ask for it: from 128 KiB on, at zlib's fastest level, as
// kube-apiserver.

#include <functional>

#include "http/message.h"

namespace pila::cluster::api {

constexpr std::size_t worth_compressing = 128U << 10;

bool takes_gzip(const http::Request& request);
// Headers and body, whichever kind of body it is.
void compress(http::Response& response);

}  // namespace pila::cluster::api
