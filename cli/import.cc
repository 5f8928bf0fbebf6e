#include "cli/import.h"

#include <unistd.h>

#include <csignal>
#include <map>
#include <mutex>

#include "fmt/format.h"
#include "nlohmann/json.hpp"

#include "cli/import/file_reader.h"
#include "cli/import/items.h"
#include "cli/import/transfer.h"
#include "cli/import/walk.h"
#include "cli/messages.h"
#include "cli/progress.h"
#include "lib/base/status_macros.h"

namespace dmarcate::cli {
namespace {

constexpr size_t kTold = 20;  // of each kind of note

// Notes of one kind, the first of them whole.
class Notes {
 public:
  void Add(std::string note) {
    if (++count_ <= kTold) first_.push_back(std::move(note));
  }
  void Print(const App& app, std::string_view where_more) const {
    for (const std::string& note : first_) app.Note(note);
    if (count_ > first_.size()) {
      app.Note(fmt::format("and {} more{}", count_ - first_.size(), where_more));
    }
  }
  size_t count() const { return count_; }

 private:
  size_t count_ = 0;
  std::vector<std::string> first_;
};

std::string OutcomeText(v1::ItemOutcome outcome) {
  return EnumText(v1::ItemOutcome_Name(outcome), "ITEM_OUTCOME_");
}

// What is to come, as far as it can be known.
struct Extent {
  int64_t files = 0;
  int64_t bytes = 0;  // 0: not known
};

absl::StatusOr<Extent> Measure(const std::vector<std::string>& paths) {
  Extent extent;
  bool known = true;
  const FileVisitor visitor = {[&](const std::string&, int64_t size) {
                                 ++extent.files;
                                 extent.bytes += std::max<int64_t>(size, 0);
                                 known = known && size >= 0;
                                 return true;
                               },
                               [](const std::string&, std::string_view) {}};  // told when read
  for (const std::string& path : paths) DMARCATE_RETURN_IF_ERROR(WalkFiles(path, visitor));
  if (!known) extent.bytes = 0;
  return extent;
}

// What was found and what came of it. Found on the thread that reads, answered on the stream's.
class Import final : public ImportSink {
 public:
  Import(App* app, const Extent& extent)
      : progress_("importing", extent.bytes, 0),
        files_(extent.files),
        transfer_(
            app->ingestd(),
            [app](grpc::ClientContext* context) {
              app->Prepare(context, App::Daemon::kIngestd, absl::Hours(24));
            },
            [this](const ImportAnswer& answer) { OnAnswer(answer); }) {}

  // Returns how the stream ended.
  grpc::Status Run(const std::vector<std::string>& paths) {
    FileReader reader({}, *this);
    const FileVisitor visitor = {
        [&](const std::string& path, int64_t) { return reader.Read(path); },
        [&](const std::string& path, std::string_view why) {
          Tell({ImportNotice::Kind::kRefused, path, std::string(why), "its files are missing"});
        }};
    for (const std::string& path : paths) {
      const absl::Status status = WalkFiles(path, visitor);
      if (!status.ok()) {  // it was there when it was measured
        Tell({ImportNotice::Kind::kRefused, path, std::string(MessageOf(status)), ""});
      }
    }
    const grpc::Status status = transfer_.Finish();
    progress_.Finish();
    return status;
  }

  bool Take(ImportItem item) override { return transfer_.Send(std::move(item)); }

  void Tell(ImportNotice notice) override {
    const std::lock_guard lock(mutex_);
    const std::string text = fmt::format("{}: {}{}{}", notice.name, notice.why,
                                         notice.next.empty() ? "" : "; ", notice.next);
    if (notice.kind == ImportNotice::Kind::kRefused) {
      refused_.Add("not sent: " + text);
    } else {
      skipped_.Add("left out: " + text);
    }
  }

  void FileDone(int64_t source_bytes) override {
    const std::lock_guard lock(mutex_);
    ++files_done_;
    bytes_ += source_bytes;
    ShowProgress();
  }

  // The rest is for after Run().
  int Print(const App& app) const {
    if (app.format() == Format::kJson || app.format() == Format::kJsonl ||
        app.format() == Format::kYaml) {
      PrintObject(app.format());
    } else {
      PrintTable(app.format());
    }
    failed_.Print(app, ": dmarcate reports quarantine list");
    refused_.Print(app, " not sent");
    skipped_.Print(app, " left out");
    return failed_.count() + refused_.count() == 0 ? kDone : kPartFailed;
  }

 private:
  void OnAnswer(const ImportAnswer& answer) {
    const std::lock_guard lock(mutex_);
    ++items_;
    bytes_ += answer.source_bytes;
    sent_bytes_ += answer.sent_bytes;
    if (answer.sent_bytes == 0) ++known_;
    for (const v1::SubmittedItem& part : answer.result.items()) {
      ++outcomes_[part.outcome()];
      if (part.outcome() == v1::ITEM_OUTCOME_STORED) {
        records_ += part.record_count();
        messages_ += part.message_count();
      } else if (part.outcome() != v1::ITEM_OUTCOME_DUPLICATE) {
        failed_.Add(fmt::format("{}: {}: {}: {}", answer.name, OutcomeText(part.outcome()),
                                part.reason(), part.detail()));
      }
    }
    ShowProgress();
  }

  void ShowProgress() {
    std::string counts = fmt::format("{} of {} files", files_done_, files_);
    for (const auto& [outcome, count] : outcomes_) {
      counts += fmt::format(", {} {}", count, OutcomeText(outcome));
    }
    if (refused_.count() > 0) counts += fmt::format(", {} not sent", refused_.count());
    progress_.Update(bytes_, items_, counts);
  }

  void PrintTable(Format format) const {
    Table table({{"OUTCOME"}, {"REPORTS", Align::kRight}});
    for (const auto& [outcome, count] : outcomes_) {
      table.Add(OutcomeText(outcome), {OutcomeText(outcome), std::to_string(count)});
    }
    fmt::print("{}", table.Render(format));
    if (format != Format::kTable && format != Format::kWide) return;
    fmt::print(
        "{} records, {} messages stored\n{} items of {} files: {} bytes sent, {} items were "
        "there already\n",
        FormatCount(records_), FormatCount(messages_), FormatCount(items_),
        FormatCount(files_done_), FormatCount(sent_bytes_), FormatCount(known_));
  }

  void PrintObject(Format format) const {
    nlohmann::ordered_json object = {{"message_type", "import_summary"}};
    for (const auto& [outcome, count] : outcomes_) object[OutcomeText(outcome)] = count;
    object["records"] = records_;
    object["messages"] = messages_;
    object["files"] = files_done_;
    object["items"] = items_;
    object["known_items"] = known_;
    object["sent_bytes"] = sent_bytes_;
    object["not_sent"] = refused_.count();
    object["left_out"] = skipped_.count();
    const std::string text = object.dump();
    fmt::print("{}\n", format == Format::kYaml ? JsonToYaml(text) : text);
  }

  std::mutex mutex_;
  Progress progress_;
  const int64_t files_;
  int64_t files_done_ = 0, items_ = 0, known_ = 0;
  int64_t bytes_ = 0;       // of the files, answered or left out
  int64_t sent_bytes_ = 0;  // to ingestd
  int64_t records_ = 0, messages_ = 0;
  std::map<v1::ItemOutcome, int64_t> outcomes_;
  Notes failed_, refused_, skipped_;
  ImportTransfer transfer_;  // last: it calls OnAnswer() until it is gone
};

extern "C" void OnInterrupt(int signal) {
  constexpr char kText[] = "\ninterrupted; the same command goes on where this one was\n";
  (void)!write(STDERR_FILENO, kText, sizeof kText - 1);
  _exit(128 + signal);
}

}  // namespace

int ImportReports(App* app, const std::vector<std::string>& paths) {
  const auto extent = Measure(paths);
  if (!extent.ok()) return app->Fail("nothing imported", extent.status());
  // What is acknowledged is stored, and the rest is recognised next time: nothing to be tidied up.
  std::signal(SIGINT, OnInterrupt);
  std::signal(SIGTERM, OnInterrupt);
  Import import(app, *extent);
  const grpc::Status status = import.Run(paths);
  const int exit_code = import.Print(*app);
  if (status.ok()) return exit_code;
  return app->Fail("import ended early; the same command goes on where this one was", status);
}

}  // namespace dmarcate::cli
