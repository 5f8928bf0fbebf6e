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
  ended_ = false;
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
    const auto found = pending_.find(result.item_id());
    if (found == pending_.end()) return;
    Pending& pending = found->second;
    if (!pending.sent && AsksForBytes(result)) {
      wanted_.push_back(found->first);
      changed_.notify_all();
      return;
    }
    answer.name = std::move(pending.item.name);
    answer.source_bytes = pending.item.source_bytes;
    answer.sent_bytes = pending.sent ? pending.size : 0;
    answer.result = result;
    if (!pending.sent) pending_bytes_ -= pending.size;
    pending_.erase(found);
  }
  answered_(answer);
  changed_.notify_all();
}

bool ImportTransfer::Send(ImportItem item) {
  Pending pending;
  pending.size = static_cast<int64_t>(item.content.size());
  pending.item = std::move(item);
  std::unique_lock lock(mutex_);
  const bool open = SendWanted(lock, [&] {
    return pending_.size() < kInFlight &&
           (pending_bytes_ == 0 || pending_bytes_ + pending.size <= kInFlightBytes);
  });
  if (!open) {
    // ingestd ends a stream on which nothing comes for a minute, as from a slow pipe. If nothing
    // was under way, a new one goes on.
    if (!pending_.empty()) return false;
    lock.unlock();
    if (Close().error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) return false;
    Open();
    lock.lock();
  }
  v1::ItemStart start;
  start.set_item_id(next_id_++);
  start.set_file_name(FileName(pending.item.name));
  start.set_size_bytes(pending.size);
  start.set_sha256(Sha256(pending.item.content));
  pending_bytes_ += pending.size;
  pending_[start.item_id()] = std::move(pending);
  lock.unlock();
  Write(std::move(start), "");  // that the stream has ended is seen by the next call
  return true;
}

bool ImportTransfer::SendWanted(std::unique_lock<std::mutex>& lock,
                                const std::function<bool()>& enough) {
  while (true) {
    if (ended_) return false;
    if (!wanted_.empty()) {
      auto node = pending_.extract(wanted_.front());
      wanted_.pop_front();
      const std::string content = std::move(node.mapped().item.content);
      v1::ItemStart start;
      start.set_item_id(next_id_++);
      start.set_file_name(FileName(node.mapped().item.name));
      start.set_size_bytes(node.mapped().size);
      node.key() = start.item_id();
      node.mapped().sent = true;
      pending_.insert(std::move(node));
      lock.unlock();
      const bool written = Write(std::move(start), content);
      lock.lock();
      pending_bytes_ -= static_cast<int64_t>(content.size());
      if (!written) return false;
      continue;
    }
    if (enough()) return true;
    changed_.wait(lock);
  }
}

bool ImportTransfer::Write(v1::ItemStart start, std::string_view content) {
  v1::ImportReportsRequest frame;
  *frame.mutable_start() = std::move(start);
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
    SendWanted(lock, [this] { return pending_.empty(); });
  }
  return Close();
}

}  // namespace dmarcate::cli
