#include "cli/import.h"

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <map>
#include <mutex>
#include <thread>

#include "fmt/format.h"

#include "cli/call.h"
#include "cli/messages.h"
#include "cli/progress.h"
#include "dmarcate/v1/intake.grpc.pb.h"
#include "lib/base/digest.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

constexpr size_t kChunkBytes = 256 << 10;
constexpr size_t kItemLimitBytes = 50
                                   << 20;  // the server's own limit decides; this bounds our memory
constexpr size_t kInFlight = 256;          // items sent and not yet acknowledged
constexpr size_t kToldFailures = 20;

struct Item {
  std::string path;
  int64_t size = 0;
};

// Regular files below `paths`, sorted. A Maildir's tmp/ holds unfinished deliveries and is left
// out.
absl::StatusOr<std::vector<Item>> Collect(const std::vector<std::string>& paths) {
  namespace fs = std::filesystem;
  std::vector<Item> items;
  std::error_code error;
  for (const std::string& path : paths) {
    if (path == "-") {
      items.push_back({path, 0});
      continue;
    }
    if (fs::is_directory(path, error)) {
      fs::recursive_directory_iterator it(path, fs::directory_options::skip_permission_denied,
                                          error);
      for (const fs::recursive_directory_iterator end; !error && it != end; it.increment(error)) {
        if (it->is_directory(error) && it->path().filename() == "tmp" &&
            fs::exists(it->path().parent_path() / "cur", error)) {
          it.disable_recursion_pending();
        } else if (it->is_regular_file(error)) {
          items.push_back({it->path().string(), static_cast<int64_t>(it->file_size(error))});
        }
      }
    } else if (fs::exists(path, error)) {
      items.push_back({path, static_cast<int64_t>(fs::file_size(path, error))});
    }
    if (error) {
      return MakeError(absl::StatusCode::kUnavailable,
                       fmt::format("{}: {}", path, error.message()));
    }
    if (!fs::exists(path, error)) {
      return MakeError(absl::StatusCode::kNotFound,
                       fmt::format("{}: no such file or folder", path));
    }
  }
  std::ranges::sort(items, {}, &Item::path);
  return items;
}

std::string OutcomeText(v1::ItemOutcome outcome) {
  return EnumText(v1::ItemOutcome_Name(outcome), "ITEM_OUTCOME_");
}

// What came back so far; shared by the thread that sends and the one that reads.
class Tally {
 public:
  void Sent() {
    const std::lock_guard lock(mutex_);
    ++sent_;
  }
  void Answered(const v1::ItemResult& result, const Item& item) {
    const std::lock_guard lock(mutex_);
    ++answered_;
    bytes_ += item.size;
    for (const v1::SubmittedItem& part : result.items()) {
      ++counts_[part.outcome()];
      if (part.outcome() == v1::ITEM_OUTCOME_STORED) {
        records_ += part.record_count();
        messages_ += part.message_count();
      }
      if (part.outcome() != v1::ITEM_OUTCOME_STORED &&
          part.outcome() != v1::ITEM_OUTCOME_DUPLICATE) {
        failures_.push_back(fmt::format("{}: {}: {}: {}", item.path, OutcomeText(part.outcome()),
                                        part.reason(), part.detail()));
      }
    }
    changed_.notify_all();
  }
  void Ended() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  // False: the stream has ended.
  bool WaitForRoom() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ended_ || sent_ - answered_ < kInFlight; });
    return !ended_;
  }
  void Report(Progress* progress) {
    const std::lock_guard lock(mutex_);
    progress->Update(bytes_, static_cast<int64_t>(answered_), Counts());
  }
  std::string Counts() const {
    std::string out;
    for (const auto& [outcome, count] : counts_) {
      out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, OutcomeText(outcome));
    }
    return out;
  }
  const std::map<v1::ItemOutcome, int64_t>& counts() const { return counts_; }
  const std::vector<std::string>& failures() const { return failures_; }
  int64_t records() const { return records_; }
  int64_t messages() const { return messages_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t sent_ = 0, answered_ = 0;
  int64_t bytes_ = 0, records_ = 0, messages_ = 0;
  bool ended_ = false;
  std::map<v1::ItemOutcome, int64_t> counts_;
  std::vector<std::string> failures_;
};

using Stream = grpc::ClientReaderWriter<v1::ImportReportsRequest, v1::ImportReportsResponse>;

bool Send(Stream& stream, int64_t id, const Item& item, const std::string& content) {
  v1::ImportReportsRequest frame;
  v1::ItemStart* start = frame.mutable_start();
  start->set_item_id(id);
  start->set_file_name(
      ToValidUtf8(item.path == "-" ? "" : std::filesystem::path(item.path).filename().string()));
  start->set_size_bytes(static_cast<int64_t>(content.size()));
  start->set_sha256(Sha256(content));
  if (!stream.Write(frame)) return false;
  for (size_t at = 0; at < content.size(); at += kChunkBytes) {
    frame.set_chunk(content.substr(at, kChunkBytes));
    if (!stream.Write(frame)) return false;
  }
  frame.mutable_end();
  return stream.Write(frame);
}

absl::StatusOr<std::string> Load(const Item& item) {
  if (item.path != "-") return ReadFile(item.path, kItemLimitBytes);
  std::string text;
  char buffer[65536];
  while (text.size() <= kItemLimitBytes) {
    std::cin.read(buffer, sizeof buffer);
    if (std::cin.gcount() <= 0) return text;
    text.append(buffer, static_cast<size_t>(std::cin.gcount()));
  }
  return MakeError(absl::StatusCode::kResourceExhausted,
                   fmt::format("standard input: larger than {} bytes", kItemLimitBytes));
}

}  // namespace

int ImportReports(App* app, const std::vector<std::string>& paths) {
  const auto items = Collect(paths);
  if (!items.ok()) return app->Fail("nothing imported", items.status());
  int64_t total = 0;
  for (const Item& item : *items) total += item.size;

  grpc::ClientContext context;
  app->Prepare(&context, App::Daemon::kIngestd, absl::Hours(24));
  const auto stub = v1::IntakeService::NewStub(app->ingestd());
  const std::unique_ptr<Stream> stream = stub->ImportReports(&context);
  Tally tally;
  Progress progress("importing", total, static_cast<int64_t>(items->size()));
  std::thread reader([&] {
    v1::ImportReportsResponse response;
    while (stream->Read(&response)) {
      const auto id = static_cast<size_t>(response.result().item_id());
      if (id < items->size()) tally.Answered(response.result(), (*items)[id]);
      tally.Report(&progress);
    }
    tally.Ended();
  });
  std::vector<std::string> unreadable;
  for (size_t i = 0; i < items->size(); ++i) {
    const auto content = Load((*items)[i]);
    if (!content.ok()) {
      unreadable.push_back(std::string(MessageOf(content.status())));
      continue;
    }
    if (!tally.WaitForRoom()) break;
    tally.Sent();
    if (!Send(*stream, static_cast<int64_t>(i), (*items)[i], *content)) break;
  }
  stream->WritesDone();
  reader.join();
  progress.Finish();
  const grpc::Status status = stream->Finish();

  // The sums, as the columns of a table and as one message.
  Table table({{"OUTCOME"}, {"REPORTS", Align::kRight}});
  for (const auto& [outcome, count] : tally.counts()) {
    table.Add(OutcomeText(outcome), {OutcomeText(outcome), std::to_string(count)});
  }
  if (app->format() == Format::kTable || app->format() == Format::kWide ||
      app->format() == Format::kCsv || app->format() == Format::kName) {
    fmt::print("{}", table.Render(app->format()));
    if (app->format() == Format::kTable) {
      fmt::print("{} records, {} messages stored\n", FormatCount(tally.records()),
                 FormatCount(tally.messages()));
    }
  } else {
    std::string counts;
    for (const auto& [outcome, count] : tally.counts()) {
      counts += fmt::format("\"{}\":{},", OutcomeText(outcome), count);
    }
    fmt::print("{{\"message_type\":\"import_summary\",{}\"records\":{},\"messages\":{}}}\n", counts,
               tally.records(), tally.messages());
  }
  for (size_t i = 0; i < std::min(tally.failures().size(), kToldFailures); ++i) {
    app->Note(tally.failures()[i]);
  }
  if (tally.failures().size() > kToldFailures) {
    app->Note(fmt::format("and {} more: dmarcate reports quarantine list",
                          tally.failures().size() - kToldFailures));
  }
  for (const std::string& why : unreadable) app->Note("not sent: " + why);
  if (!status.ok())
    return app->Fail("import ended early; run it again, what is stored is skipped", status);
  return tally.failures().empty() && unreadable.empty() ? kDone : kPartFailed;
}

}  // namespace dmarcate::cli
