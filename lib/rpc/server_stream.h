// lib/rpc/server_stream.h
// Server-streaming handlers as plain code on a worker: each Write() waits until gRPC has taken the
// message, which is the back-pressure. A client that does not read holds the worker until the
// call's deadline; then the call is cancelled.
//
//   return ServeStream<v1::DownloadReportRequest, v1::DownloadReportResponse>(
//       host_, context, request,
//       [this](const Call& call, const auto& in, auto& writer) { return DoDownload(call, in,
//       writer); });

#ifndef DMARCATE_LIB_RPC_SERVER_STREAM_H_
#define DMARCATE_LIB_RPC_SERVER_STREAM_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

#include "lib/rpc/call.h"

namespace dmarcate {

// Used by one thread, within the handler.
template <typename Response>
class StreamWriter {
 public:
  virtual ~StreamWriter() = default;
  // Waits until `response` is on its way. False: the client is gone, the deadline has passed or
  // the daemon drains; stop then: the stream ends with an error, whatever the handler returns.
  virtual bool Write(const Response& response) = 0;
};

namespace rpc_internal {

// Lives until gRPC is done with the call and the handler has returned.
template <typename Request, typename Response>
class StreamReactor final : public grpc::ServerWriteReactor<Response>,
                            public StreamWriter<Response> {
 public:
  StreamReactor(const CallHost& host, grpc::CallbackServerContext& context,
                std::shared_ptr<Call> call)
      : host_(host), context_(context), call_(std::move(call)) {}

  bool Write(const Response& response) override {
    std::unique_lock lock(mutex_);
    if (host_.draining() || call_->cancelled() || absl::Now() > call_->deadline()) ok_ = false;
    if (!ok_) return false;
    done_ = false;
    this->StartWrite(&response);
    const auto done = [this] { return done_; };
    if (!changed_.wait_until(lock, absl::ToChronoTime(call_->deadline()), done)) {
      lock.unlock();
      context_.TryCancel();
      lock.lock();
      changed_.wait(lock, done);  // `response` is gRPC's until then
    }
    return ok_;
  }

  // Whether something that was to be written was not: what has been sent is not all.
  bool cut() {
    const std::lock_guard lock(mutex_);
    return !ok_;
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    done_ = true;
    ok_ = ok;
    changed_.notify_all();
  }
  void OnCancel() override {
    if (call_ != nullptr) call_->Cancel();
  }
  void OnDone() override { delete this; }

  Request request;

 private:
  const CallHost& host_;
  grpc::CallbackServerContext& context_;  // gRPC's, until OnDone
  std::shared_ptr<Call> call_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = true, ok_ = true;
};

}  // namespace rpc_internal

template <typename Request, typename Response, typename Handler>
grpc::ServerWriteReactor<Response>* ServeStream(const CallHost& host,
                                                grpc::CallbackServerContext* context,
                                                const Request* request, Handler handler) {
  std::shared_ptr<Call> call;
  const grpc::Status begun = host.Begin(*context, CallKind::kStream, &call);
  auto* reactor = new rpc_internal::StreamReactor<Request, Response>(host, *context, call);
  if (!begun.ok()) {
    reactor->Finish(begun);
    return reactor;
  }
  reactor->request = *request;
  const bool posted = host.workers().TryPost([&host, reactor, call, handler = std::move(handler)] {
    StreamWriter<Response>& writer = *reactor;
    grpc::Status status = handler(std::as_const(*call), std::as_const(reactor->request), writer);
    if (status.ok() && reactor->cut()) status = DeadlineError();
    if (host.draining()) status = ShuttingDownError();
    reactor->Finish(status);  // may delete it
  });
  if (!posted) reactor->Finish(QueueFullError());
  return reactor;
}

}  // namespace dmarcate

#endif  // DMARCATE_LIB_RPC_SERVER_STREAM_H_
