#include "ingestd/intake/import_session.h"

#include <chrono>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "grpcpp/alarm.h"
#include "grpcpp/server_context.h"

#include "ingestd/intake/to_proto.h"
#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/errors.h"

namespace dmarcate {
namespace {

// Handed in and not fetched by the client yet: above, reading pauses.
constexpr size_t kUnansweredLimit = 1024;
// How long one item may take from `start` to `end`: it holds memory that others wait for.
constexpr absl::Duration kItemLimit = absl::Seconds(60);
constexpr int64_t kSlowestBytesPerSecond = 128 << 10;
// How long a client may neither begin an item nor fetch a result.
constexpr absl::Duration kIdleLimit = absl::Seconds(60);
// How long it may take to fetch the last results of a stream that has ended.
constexpr absl::Duration kGoodbyeLimit = absl::Seconds(30);
constexpr absl::Duration kWatchInterval = absl::Seconds(1);

using Request = v1::ImportReportsRequest;
using Response = v1::ImportReportsResponse;

grpc::Status ProtocolError(const std::string& message) {
  return MakeRpcError({.reason = Reason::kStreamProtocol, .message = message});
}

// For streams that end before they begin.
class RefusedSession final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  explicit RefusedSession(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

// Reading is sequential: the members under "receiving" belong to whoever was called last by gRPC or
// by the budget, and to nobody once the stream has ended and handlers_ is 0. The rest is under the
// mutex. Lives until gRPC is done and the pipeline has answered.
//
// A stream may last as long as it goes on; a watch ends it when its client stops.
class ImportSession final : public grpc::ServerBidiReactor<Request, Response>,
                            public std::enable_shared_from_this<ImportSession> {
 public:
  // `call` is kept until gRPC is done: a drain waits for it.
  ImportSession(const IntakeParts& parts, ImportSessions& sessions,
                grpc::CallbackServerContext& context, std::shared_ptr<Call> call)
      : parts_(parts), sessions_(sessions), context_(context), call_(std::move(call)) {}

  void Begin() {
    self_ = shared_from_this();
    Expect(Next::kItem, kIdleLimit);
    Watch();
    ReadOn();
  }

  // Reads no more; finishes with `status` when what was handed in is answered.
  void End(const grpc::Status& status) {
    {
      const std::lock_guard lock(mutex_);
      EndLocked(status);
    }
    ReleaseIfEnded();
  }

  void OnReadDone(bool ok) override {
    Handle([this, ok] { OnFrame(ok); });
  }

  void OnWriteDone(bool ok) override {
    {
      const std::lock_guard lock(mutex_);
      writing_ = false;
      if (!out_.empty()) out_.pop_front();
      if (next_ == Next::kItem && !ended_) stall_at_ = SteadyClock::now() + Ticks(kIdleLimit);
      if (!ok) {
        out_.clear();
        EndLocked(grpc::Status::CANCELLED);
      }
      StartWriteLocked();
      if (paused_ && !ended_ && out_.size() + unanswered_ < kUnansweredLimit / 2) {
        paused_ = false;
        StartRead(&request_);
      }
      FinishIfDoneLocked();
    }
    ReleaseIfEnded();
  }

  void OnCancel() override {
    {
      const std::lock_guard lock(mutex_);
      cancelled_ = true;
      EndLocked(grpc::Status::CANCELLED);
    }
    ReleaseIfEnded();
  }

  void OnDone() override {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
      watch_.reset();
    }
    sessions_.Remove(self_);
    call_.reset();
    self_.reset();  // may delete this
  }

 private:
  using SteadyClock = std::chrono::steady_clock;
  static SteadyClock::duration Ticks(absl::Duration duration) {
    return absl::ToChronoNanoseconds(duration);
  }
  enum class State { kIdle, kReceiving, kSkipping };
  // What is waited for: the client's next item, the rest of its item, or our own memory.
  enum class Next { kItem, kRestOfItem, kMemory };

  // Around all that touches what is being received.
  template <typename Handler>
  void Handle(Handler handler) {
    {
      const std::lock_guard lock(mutex_);
      if (ended_) return;
      ++handlers_;
    }
    handler();
    {
      const std::lock_guard lock(mutex_);
      --handlers_;
    }
    ReleaseIfEnded();
  }

  // The results of an ended stream may lie here for a while; its item must not. Not under the
  // mutex: whoever waits for the memory is called.
  void ReleaseIfEnded() {
    ByteBudget::Reservation reservation;
    std::string content;
    const std::lock_guard lock(mutex_);
    if (!ended_ || handlers_ > 0) return;
    reservation = std::move(reservation_);
    content.swap(content_);
  }

  void Expect(Next next, absl::Duration limit) {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    next_ = next;
    stall_at_ = SteadyClock::now() + Ticks(limit);
  }

  // Looks at the time limits every now and then; each time with an alarm of its own, since one
  // cannot be set within its own call.
  void Watch() {
    auto alarm = std::make_unique<grpc::Alarm>();
    alarm->Set(absl::ToChronoTime(absl::Now() + kWatchInterval),
               [self = weak_from_this()](bool expired) {
                 const auto session = expired ? self.lock() : nullptr;
                 if (session == nullptr) return;
                 session->EndIfStalled();
                 session->Watch();
               });
    const std::lock_guard lock(mutex_);
    if (!done_) watch_.swap(alarm);
  }

  void EndIfStalled() {
    {
      const std::lock_guard lock(mutex_);
      if (finished_ || SteadyClock::now() < stall_at_) return;
      // Not the client's fault.
      const bool ours = next_ == Next::kMemory || (unanswered_ > 0 && out_.empty());
      if (next_ != Next::kRestOfItem && ours) return;
      if (ended_) cancelling_ = true;  // keeps the call, and with it its context
    }
    if (!cancelling_) return End(DeadlineError());
    context_.TryCancel();
    const std::lock_guard lock(mutex_);
    cancelling_ = false;
    FinishIfDoneLocked();
  }

  void OnFrame(bool ok) {
    if (!ok) {
      End(state_ == State::kReceiving ? ProtocolError("the stream ends within an item")
                                      : grpc::Status::OK);
      return;
    }
    switch (request_.frame_case()) {
      case Request::kStart:
        return OnStart();
      case Request::kChunk:
        return OnChunk();
      case Request::kEnd:
        return OnEnd();
      case Request::FRAME_NOT_SET:
        return End(ProtocolError("a frame without start, chunk or end"));
    }
  }

  void OnStart() {
    if (state_ == State::kReceiving) return End(ProtocolError("start within an item"));
    item_ = std::move(*request_.mutable_start());
    content_.clear();
    state_ = State::kSkipping;
    if (!item_.sha256().empty() && item_.sha256().size() != 32) {
      return Refuse(v1::ITEM_OUTCOME_INVALID, "sha256_invalid", "sha256: not 32 bytes");
    }
    if (item_.size_bytes() < 0) {
      return Refuse(v1::ITEM_OUTCOME_INVALID, "size_invalid", "size_bytes: negative");
    }
    if (item_.size_bytes() > parts_.message_limit_bytes) {
      return Refuse(
          v1::ITEM_OUTCOME_OVER_LIMIT, "message_too_large",
          fmt::format("{} bytes, limit {}", item_.size_bytes(), parts_.message_limit_bytes));
    }
    if (const absl::Status admitted = parts_.gauge.Admit(Channel::kImport); !admitted.ok()) {
      return End(ToIntakeError(admitted));
    }
    if (!item_.sha256().empty()) {
      const auto known = parts_.pipeline.FindKnown(item_.sha256(), Channel::kImport);
      if (known.ok() && known->has_value()) {
        Expect(Next::kItem, kIdleLimit);
        Answer(item_.item_id(), **known);
        return ReadOn();
      }
    }
    Expect(Next::kMemory, absl::ZeroDuration());
    parts_.budget.Acquire(item_.size_bytes(),
                          [self = shared_from_this()](ByteBudget::Reservation reservation) {
                            self->Handle([&] { self->OnReserved(std::move(reservation)); });
                          });
  }

  void OnReserved(ByteBudget::Reservation reservation) {
    if (!reservation.valid()) return End(ShuttingDownError());
    reservation_ = std::move(reservation);
    content_.reserve(static_cast<size_t>(item_.size_bytes()));
    state_ = State::kReceiving;
    Expect(Next::kRestOfItem,
           kItemLimit + absl::Seconds(item_.size_bytes() / kSlowestBytesPerSecond));
    ReadOn();
  }

  void OnChunk() {
    if (state_ == State::kIdle) return End(ProtocolError("chunk before start"));
    if (request_.chunk().size() > kChunkLimitBytes) {
      return End(ProtocolError(
          fmt::format("chunk of {} bytes, limit {}", request_.chunk().size(), kChunkLimitBytes)));
    }
    if (state_ == State::kSkipping) return ReadOn();
    if (content_.size() + request_.chunk().size() > static_cast<size_t>(item_.size_bytes())) {
      return Refuse(v1::ITEM_OUTCOME_INVALID, "size_mismatch",
                    fmt::format("more than the {} bytes announced", item_.size_bytes()));
    }
    content_ += request_.chunk();
    ReadOn();
  }

  void OnEnd() {
    if (state_ == State::kIdle) return End(ProtocolError("end before start"));
    if (state_ == State::kSkipping) {
      state_ = State::kIdle;
      return ReadOn();
    }
    // No bytes at all is how a client asks whether they are known: OnStart() has answered if so.
    const bool whole = content_.size() == static_cast<size_t>(item_.size_bytes());
    std::string sha256 = whole ? Sha256(content_) : "";
    if (!whole || (!item_.sha256().empty() && sha256 != item_.sha256())) {
      return Refuse(
          v1::ITEM_OUTCOME_INVALID, whole ? "sha256_mismatch" : "size_mismatch",
          whole ? "the bytes have another sha256"
                : fmt::format("{} bytes, announced {}", content_.size(), item_.size_bytes()),
          State::kIdle);
    }
    Expect(Next::kItem, kIdleLimit);
    state_ = State::kIdle;
    Delivery delivery;
    delivery.content = std::move(content_);
    delivery.sha256 = std::move(sha256);
    delivery.file_name = CleanFileName(item_.file_name());
    delivery.channel = Channel::kImport;
    delivery.received_time = absl::Now();
    delivery.reservation = std::move(reservation_);
    content_.clear();
    {
      const std::lock_guard lock(mutex_);
      ++unanswered_;
    }
    parts_.pipeline.Submit(
        std::move(delivery), [](const absl::Status&) {},
        [self = shared_from_this(), id = item_.item_id()](const auto& result) {
          const bool waiting = IsWaitingForDns(result.status());
          if (result.ok()) {
            self->Answer(id, *result);
          } else if (waiting) {
            Response response;
            response.mutable_result()->set_item_id(id);
            *response.mutable_result()->add_items() = WaitingItem(result.status());
            self->Send(std::move(response));
          }
          {
            const std::lock_guard lock(self->mutex_);
            --self->unanswered_;
            if (!result.ok() && !waiting) self->EndLocked(ToIntakeError(result.status()));
            self->FinishIfDoneLocked();
          }
          self->ReleaseIfEnded();
        });
    ReadOn();
  }

  // Answers the item in work; what still comes of it is skipped. Nothing of it may be touched after
  // this: the next frame may be here already.
  void Refuse(v1::ItemOutcome outcome, std::string_view reason, std::string_view detail,
              State next = State::kSkipping) {
    Expect(Next::kItem, kIdleLimit);
    reservation_.Release();
    std::string().swap(content_);
    state_ = next;
    Response response;
    response.mutable_result()->set_item_id(item_.item_id());
    *response.mutable_result()->add_items() = RefusedItem(outcome, reason, detail);
    Send(std::move(response));
    ReadOn();
  }

  void Answer(int64_t item_id, const std::vector<ReceiptItem>& items) {
    Response response;
    response.mutable_result()->set_item_id(item_id);
    for (const ReceiptItem& item : items) *response.mutable_result()->add_items() = ToProto(item);
    Send(std::move(response));
  }

  void Send(Response response) {
    const std::lock_guard lock(mutex_);
    if (cancelled_ || finished_) return;
    out_.push_back(std::move(response));
    StartWriteLocked();
  }

  void StartWriteLocked() {
    if (writing_ || finished_ || out_.empty()) return;
    writing_ = true;
    StartWrite(&out_.front());
  }

  void ReadOn() {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    paused_ = out_.size() + unanswered_ >= kUnansweredLimit;
    if (!paused_) StartRead(&request_);
  }

  void EndLocked(const grpc::Status& status) {
    if (!ended_) {
      final_ = status;
      next_ = Next::kItem;
      stall_at_ = SteadyClock::now() + Ticks(kGoodbyeLimit);
    }
    ended_ = true;
    FinishIfDoneLocked();
  }

  void FinishIfDoneLocked() {
    if (!ended_ || finished_ || cancelling_) return;
    if (!cancelled_ && (unanswered_ > 0 || writing_ || !out_.empty())) return;
    finished_ = true;
    Finish(final_);
  }

  const IntakeParts& parts_;
  ImportSessions& sessions_;
  grpc::CallbackServerContext& context_;  // gRPC's, until OnDone
  std::shared_ptr<Call> call_;
  std::shared_ptr<ImportSession> self_;  // while gRPC knows us

  // Receiving.
  Request request_;
  State state_ = State::kIdle;
  v1::ItemStart item_;
  std::string content_;
  ByteBudget::Reservation reservation_;

  std::mutex mutex_;
  std::unique_ptr<grpc::Alarm> watch_;
  Next next_ = Next::kItem;
  SteadyClock::time_point stall_at_;  // by when something of next_ has to come
  int handlers_ = 0;                  // that run and may touch what is being received
  std::deque<Response> out_;          // the first is being written while writing_
  bool writing_ = false;
  size_t unanswered_ = 0;  // with the pipeline
  bool paused_ = false;    // no read is outstanding until results have gone
  bool ended_ = false, cancelled_ = false, cancelling_ = false, finished_ = false, done_ = false;
  grpc::Status final_;
};

void ImportSessions::EndAll() {
  std::set<std::shared_ptr<ImportSession>> open;
  {
    const std::lock_guard lock(mutex_);
    open = open_;
  }
  for (const auto& session : open) session->End(ShuttingDownError());
}

bool ImportSessions::Add(const std::shared_ptr<ImportSession>& session) {
  const std::lock_guard lock(mutex_);
  return open_.size() < kImportSessions && open_.insert(session).second;
}

void ImportSessions::Remove(const std::shared_ptr<ImportSession>& session) {
  const std::lock_guard lock(mutex_);
  open_.erase(session);
}

grpc::ServerBidiReactor<Request, Response>* StartImportSession(
    const IntakeParts& parts, ImportSessions& sessions, grpc::CallbackServerContext& context) {
  std::shared_ptr<Call> call;
  const grpc::Status begun = parts.host.Begin(context, CallKind::kStream, &call);
  if (!begun.ok()) return new RefusedSession(begun);
  const auto session = std::make_shared<ImportSession>(parts, sessions, context, std::move(call));
  if (!sessions.Add(session)) return new RefusedSession(QueueFullError());
  session->Begin();
  return session.get();
}

}  // namespace dmarcate
