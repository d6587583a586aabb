// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include "base/log.h"
#include "http/exchange.h"

namespace pila::http {

namespace {

class PumpedServer : public Server {
public:
    PumpedServer(Handler handler, ErrorBody error_body, ServerLimits limits) {
        core_.handler = std::move(handler);
        if (!error_body)
            error_body = [](int status, const std::string& message) { return Response::text(status, message); };
        core_.error_body = std::move(error_body);
        core_.limits = limits;
    }
    ~PumpedServer() override {
        stop();
        core_.pool.reset();  // joins
    }

    Result<void> start() {
        core_.pool =
            std::make_unique<WorkerPool>(core_.limits.max_threads, core_.limits.max_busy,
                                         [this](const ConnectionPointer& connection) { core_.serve(connection); });
        core_.pump = TRY(Pump::create(
            core_.limits, [this](ConnectionPointer connection) { core_.pool->submit(std::move(connection)); }));
        return core_.pump->start();
    }

    Result<void> listen(Fd listening_socket, std::shared_ptr<TlsAcceptor> tls) override {
        return core_.pump->listen(std::move(listening_socket), std::move(tls));
    }

    void stop() override {
        using namespace std::chrono_literals;
        if (!core_.pump || core_.stopping.exchange(true)) return;
        auto now = std::chrono::steady_clock::now();
        core_.pump->quiesce();
        if (!core_.pool->wait_until_idle(now + 4s)) {
            core_.pump->cut_workers();
            if (!core_.pool->wait_until_idle(now + 4900ms)) log::warning("http: a request is still running after 5 s");
        }
        core_.pump->shut();
    }

private:
    ServerCore core_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::create(Handler handler, ErrorBody error_body, ServerLimits limits) {
    auto server = std::make_unique<PumpedServer>(std::move(handler), std::move(error_body), limits);
    TRY(server->start());
    return std::unique_ptr<Server>(std::move(server));
}

}  // namespace pila::http
