// cli/import/transfer.h
// The stream to ingestd. Each item is announced by its SHA-256 first and its bytes follow only if
// ingestd asks for them, so an import that is made again sends next to nothing, whatever happened
// to the one before; nothing is kept on this side that could be wrong.

#ifndef DMARCATE_CLI_IMPORT_TRANSFER_H_
#define DMARCATE_CLI_IMPORT_TRANSFER_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "cli/import/items.h"
#include "dmarcate/v1/intake.grpc.pb.h"

namespace dmarcate::cli {

// What became of one item.
struct ImportAnswer {
  std::string name;
  int64_t source_bytes = 0;  // of the item
  int64_t sent_bytes = 0;
  bool known = false;  // nothing was sent, as ingestd had it
  v1::ItemResult result;
};

// Send() and Finish() on one thread. Holds at most kInFlight items and about kInFlightBytes of
// them.
class ImportTransfer {
 public:
  static constexpr size_t kInFlight = 256;
  static constexpr int64_t kInFlightBytes = 32 << 20;

  // `open` gives a context with deadline and credentials; `answered` is called on another thread,
  // in any order, once for each item whose fate is known.
  ImportTransfer(std::shared_ptr<grpc::Channel> channel,
                 std::function<void(grpc::ClientContext*)> prepare,
                 std::function<void(const ImportAnswer&)> answered);
  ~ImportTransfer();

  // Waits for room. False: the stream has ended, and Finish() says why.
  bool Send(ImportItem item);
  // Waits until every item is answered or the stream has ended. Items without an answer may be
  // stored or not; they have to be sent again.
  grpc::Status Finish();

 private:
  struct Pending {
    std::string name;
    int64_t source_bytes = 0;
    std::shared_ptr<const std::string> content;
    std::string sha256;
    bool sent = false;  // or only announced
    int64_t size() const { return static_cast<int64_t>(content->size()); }
  };
  using Stream = grpc::ClientReaderWriter<v1::ImportReportsRequest, v1::ImportReportsResponse>;

  void Open();
  grpc::Status Close();
  // After the end of a stream on which nothing had come for a minute, as from a slow pipe: opens
  // another one and announces again what has no answer. False: it ended for another reason.
  bool Resume(std::unique_lock<std::mutex>& lock);
  void ReadAnswers();
  void OnResult(const v1::ItemResult& result);
  // Sends bytes that ingestd has asked for, until `enough` or the end of the stream.
  bool SendWanted(std::unique_lock<std::mutex>& lock, const std::function<bool()>& enough);
  // The frames of one item; without `content` it is announced. False: the stream has ended.
  bool Write(int64_t id, const Pending& item, std::string_view content);

  const std::shared_ptr<grpc::Channel> channel_;
  const std::function<void(grpc::ClientContext*)> prepare_;
  const std::function<void(const ImportAnswer&)> answered_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<v1::IntakeService::Stub> stub_;
  std::unique_ptr<Stream> stream_;
  std::thread reader_;
  grpc::Status final_;  // of the stream, once closed

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int64_t, Pending> pending_;  // announced or sent, and not answered
  std::deque<int64_t> wanted_;          // of them, those whose bytes ingestd asks for
  int64_t pending_bytes_ = 0;           // of the contents held
  int64_t next_id_ = 1;
  bool heard_ = false;  // anything on this stream
  bool ended_ = false;  // nothing is answered any more
};

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_IMPORT_TRANSFER_H_
