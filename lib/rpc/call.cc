#include "lib/rpc/call.h"

#include <algorithm>

#include "grpcpp/server_context.h"

#include "lib/rpc/errors.h"

namespace dmarcate {
namespace {

absl::Duration LimitOf(CallKind kind, absl::Duration stream_limit) {
  switch (kind) {
    case CallKind::kRead:
      return kReadLimit;
    case CallKind::kMutation:
      return kMutationLimit;
    case CallKind::kStream:
      break;
  }
  return stream_limit;
}

}  // namespace

grpc::Status CallHost::Begin(const grpc::CallbackServerContext& context, CallKind kind,
                             std::shared_ptr<Call>* call) const {
  absl::StatusOr<Principal> principal = authenticator_.Authenticate(context);
  if (!principal.ok()) return ToRpcError(principal.status());
  // Without a client's deadline gRPC gives one far in the future.
  const absl::Time deadline =
      std::min(absl::FromChrono(context.deadline()), absl::Now() + LimitOf(kind, stream_limit_));
  {
    const std::lock_guard lock(mutex_);
    // Under the lock: whoever is let in here is seen by an AwaitIdle() that comes later.
    if (draining()) return ShuttingDownError();
    ++running_;
  }
  call->reset(new Call(*std::move(principal), deadline), [this](const Call* ended) {
    delete ended;
    const std::lock_guard lock(mutex_);
    if (--running_ == 0) idle_.notify_all();
  });
  return grpc::Status::OK;
}

bool CallHost::AwaitIdle(absl::Duration limit) const {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, absl::ToChronoNanoseconds(limit), [this] { return running_ == 0; });
}

grpc::Status QueueFullError() {
  return MakeRpcError({.reason = Reason::kRateLimited,
                       .message = "too many calls are waiting",
                       .retry_after = absl::Seconds(1)});
}

grpc::Status DeadlineError() {
  return MakeRpcError({.reason = Reason::kDeadline,
                       .message = "not done in time; a mutation may have happened all the same"});
}

grpc::Status ShuttingDownError() {
  return MakeRpcError({.reason = Reason::kShuttingDown,
                       .message = "the daemon is shutting down",
                       .retry_after = absl::Seconds(5)});
}

}  // namespace dmarcate
