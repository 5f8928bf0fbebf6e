// lib/rpc/unary.h
// One wrapper around every unary handler of the callback API: authenticate, set the deadline, run
// on the bounded pool, finish. The handler is plain code that may block:
//
//   grpc::ServerUnaryReactor* GetDomain(grpc::CallbackServerContext* context, const
//   v1::GetDomainRequest* request,
//                                       v1::Domain* response) override {
//     return ServeUnary(host_, CallKind::kRead, context, request, response,
//                       [this](const Call& call, const auto& in, auto* out) { return DoGet(call,
//                       in, out); });
//   }
//
// At the deadline the client gets DEADLINE even if the handler still runs; the handler therefore
// works on messages of its own, which live until it returns.

#ifndef DMARCATE_LIB_RPC_UNARY_H_
#define DMARCATE_LIB_RPC_UNARY_H_

#include <memory>
#include <mutex>
#include <utility>

#include "grpcpp/alarm.h"
#include "grpcpp/support/server_callback.h"

#include "lib/rpc/call.h"

namespace dmarcate {
namespace rpc_internal {

class UnaryReactor final : public grpc::ServerUnaryReactor {
 public:
  explicit UnaryReactor(std::shared_ptr<Call> call) : call_(std::move(call)) {}
  void OnDone() override { delete this; }
  void OnCancel() override {
    if (call_ != nullptr) call_->Cancel();
  }

 private:
  std::shared_ptr<Call> call_;
};

// Shared by the handler and the alarm; whoever comes first finishes the call.
template <typename Request, typename Response>
struct UnaryState {
  std::shared_ptr<Call> call;
  Request request;
  Response response;
  grpc::Alarm alarm;
  std::mutex mutex;
  grpc::ServerUnaryReactor* reactor = nullptr;  // null once finished
  Response* sent_response = nullptr;            // gRPC's; valid until finished

  void Finish(const grpc::Status& status) {
    const std::lock_guard lock(mutex);
    if (reactor == nullptr) return;
    if (status.ok()) sent_response->Swap(&response);
    std::exchange(reactor, nullptr)->Finish(status);
  }
};

}  // namespace rpc_internal

template <typename Request, typename Response, typename Handler>
grpc::ServerUnaryReactor* ServeUnary(const CallHost& host, CallKind kind,
                                     grpc::CallbackServerContext* context, const Request* request,
                                     Response* response, Handler handler) {
  std::shared_ptr<Call> call;
  const grpc::Status begun = host.Begin(*context, kind, &call);
  auto* reactor = new rpc_internal::UnaryReactor(call);
  if (!begun.ok()) {
    reactor->Finish(begun);
    return reactor;
  }
  auto state = std::make_shared<rpc_internal::UnaryState<Request, Response>>();
  state->call = call;
  // gRPC made the message, does not look at it again and hands it out as const only by convention.
  state->request.Swap(const_cast<Request*>(request));
  state->reactor = reactor;
  state->sent_response = response;
  // Weak: gRPC keeps the function for as long as the alarm, which is part of the state; a strong
  // pointer would keep every call's messages for ever.
  state->alarm.Set(absl::ToChronoTime(call->deadline()),
                   [weak = std::weak_ptr(state)](bool expired) {
                     const auto live = expired ? weak.lock() : nullptr;
                     if (live == nullptr) return;
                     live->call->Cancel();
                     live->Finish(DeadlineError());
                   });
  const bool posted = host.workers().TryPost([state, handler = std::move(handler)] {
    if (!state->call->cancelled()) {
      state->Finish(
          handler(std::as_const(*state->call), std::as_const(state->request), &state->response));
    } else {
      state->Finish(DeadlineError());
    }
    state->alarm.Cancel();
  });
  if (!posted) {
    state->Finish(QueueFullError());
    state->alarm.Cancel();
  }
  return reactor;
}

}  // namespace dmarcate

#endif  // DMARCATE_LIB_RPC_UNARY_H_
