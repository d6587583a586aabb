// SPDX-License-Identifier: Apache-2.0
#pragma once
// While one lives, a request's thread waits for somebody else, a slow client or another service, and does not count as
// busy: another request gets its turn. All waits for the network in this room have one. Nothing on other threads.

namespace pila::http {

class WorkerPool;

class Waiting {
public:
    Waiting();
    ~Waiting();
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

private:
    WorkerPool* const pool_;
};

}  // namespace pila::http
