#include "cli/import/transfer.h"

#include <utility>

#include "lib/base/digest.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

constexpr size_t kChunkBytes = 256 << 10;  // the most that ingestd takes

// ingestd has seen the digest, found that it does not know it, and kept nothing.
bool AsksForBytes(const v1::ItemResult& result) {
  return result.items_size() == 1 && result.items(0).outcome() == v1::ITEM_OUTCOME_INVALID &&
         result.items(0).reason() == "size_mismatch";
}

std::string FileName(std::string_view name) {
  return ToValidUtf8(name.substr(name.find_last_of('/') + 1));
}

}  // namespace

ImportTransfer::ImportTransfer(std::shared_ptr<grpc::Channel> channel,
                               std::function<void(grpc::ClientContext*)> prepare,
                               std::function<void(const ImportAnswer&)> answered)
    : channel_(std::move(channel)), prepare_(std::move(prepare)), answered_(std::move(answered)) {
  stub_ = v1::IntakeService::NewStub(channel_);
  Open();
}

ImportTransfer::~ImportTransfer() {
  context_->TryCancel();
  Close();
}

void ImportTransfer::Open() {
  context_ = std::make_unique<grpc::ClientContext>();
  prepare_(context_.get());
  ended_ = heard_ = false;
  stream_ = stub_->ImportReports(context_.get());
  reader_ = std::thread([this] { ReadAnswers(); });
}

grpc::Status ImportTransfer::Close() {
  if (reader_.joinable()) {
    stream_->WritesDone();
    reader_.join();
    final_ = stream_->Finish();
  }
  return final_;
}

void ImportTransfer::ReadAnswers() {
  v1::ImportReportsResponse response;
  while (stream_->Read(&response)) OnResult(response.result());
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void ImportTransfer::OnResult(const v1::ItemResult& result) {
  ImportAnswer answer;
  {
    const std::lock_guard lock(mutex_);
    heard_ = true;
    const auto found = pending_.find(result.item_id());
    if (found == pending_.end()) return;
    Pending& pending = found->second;
    if (!pending.sent && AsksForBytes(result)) {
      wanted_.push_back(found->first);
      changed_.notify_all();
      return;
    }
    answer.name = std::move(pending.name);
    answer.source_bytes = pending.source_bytes;
    answer.sent_bytes = pending.sent ? pending.size() : 0;
    answer.known =
        !pending.sent && pending.size() > 0;  // of an empty item there is nothing to send
    answer.result = result;
    pending_bytes_ -= pending.size();
    pending_.erase(found);
  }
  answered_(answer);
  changed_.notify_all();
}

bool ImportTransfer::Send(ImportItem item) {
  Pending pending;
  pending.name = std::move(item.name);
  pending.source_bytes = item.source_bytes;
  pending.sha256 = Sha256(item.content);
  pending.content = std::make_shared<const std::string>(std::move(item.content));
  std::unique_lock lock(mutex_);
  const auto has_room = [&] {
    return pending_.size() < kInFlight &&
           (pending_.empty() || pending_bytes_ + pending.size() <= kInFlightBytes);
  };
  while (!SendWanted(lock, has_room)) {
    if (!Resume(lock)) return false;
  }
  const int64_t id = next_id_++;
  pending_bytes_ += pending.size();
  pending_[id] = pending;
  lock.unlock();
  Write(id, pending, "");  // that the stream has ended is seen by the next call
  return true;
}

bool ImportTransfer::Resume(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const grpc::StatusCode code = Close().error_code();
  lock.lock();
  if (code != grpc::StatusCode::DEADLINE_EXCEEDED || !heard_) return false;
  for (auto& [id, pending] : pending_) pending.sent = false;
  wanted_.clear();
  const std::map<int64_t, Pending> again = pending_;
  Open();
  lock.unlock();
  for (const auto& [id, pending] : again) Write(id, pending, "");
  lock.lock();
  return true;
}

bool ImportTransfer::SendWanted(std::unique_lock<std::mutex>& lock,
                                const std::function<bool()>& enough) {
  while (true) {
    if (ended_) return false;
    if (!wanted_.empty()) {
      auto node = pending_.extract(wanted_.front());
      wanted_.pop_front();
      const int64_t id = node.key() = next_id_++;
      node.mapped().sent = true;
      const Pending item = node.mapped();
      pending_.insert(std::move(node));
      lock.unlock();
      const bool written = Write(id, item, *item.content);
      lock.lock();
      if (!written) return false;
    } else if (enough()) {
      return true;
    } else {
      changed_.wait(lock);
    }
  }
}

bool ImportTransfer::Write(int64_t id, const Pending& item, std::string_view content) {
  v1::ImportReportsRequest frame;
  v1::ItemStart* start = frame.mutable_start();
  start->set_item_id(id);
  start->set_file_name(FileName(item.name));
  start->set_size_bytes(item.size());
  start->set_sha256(item.sha256);
  if (!stream_->Write(frame)) return false;
  for (size_t at = 0; at < content.size(); at += kChunkBytes) {
    frame.set_chunk(std::string(content.substr(at, kChunkBytes)));
    if (!stream_->Write(frame)) return false;
  }
  frame.mutable_end();
  return stream_->Write(frame);
}

grpc::Status ImportTransfer::Finish() {
  {
    std::unique_lock lock(mutex_);
    while (!SendWanted(lock, [this] { return pending_.empty(); }) && Resume(lock)) {
    }
  }
  return Close();
}

}  // namespace dmarcate::cli
