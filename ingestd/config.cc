#include "ingestd/config.h"

#include <algorithm>
#include <set>
#include <thread>
#include <utility>

#include "fmt/format.h"

#include "ingestd/imap_config.h"
#include "lib/base/status_macros.h"
#include "lib/base/toml_config.h"
#include "lib/dns/config.h"
#include "lib/mailauth/public_suffix_list.h"

namespace dmarcate {
namespace {

constexpr int64_t kMiB = 1 << 20;

int64_t BytesWithin(TomlConfig& file, std::string_view key, int64_t fallback, int64_t minimum,
                    int64_t maximum) {
  const int64_t bytes = file.Bytes(key, fallback);
  if (bytes < minimum || bytes > maximum) {
    file.Reject(key, fmt::format("{} bytes, want {} to {}", bytes, minimum, maximum));
  }
  return bytes;
}

// The upper bounds are what report-quirks section 17 thinks an operator may want.
UnpackLimits ReadLimits(TomlConfig& file) {
  UnpackLimits out;
  out.message_bytes = BytesWithin(file, "limits.message", out.message_bytes, 64 << 10, 50 * kMiB);
  out.compressed_part_bytes =
      BytesWithin(file, "limits.compressed_part", out.compressed_part_bytes, 64 << 10, 50 * kMiB);
  out.inflated_bytes =
      BytesWithin(file, "limits.inflated", out.inflated_bytes, 1 * kMiB, 512 * kMiB);
  out.ratio = file.Int("limits.ratio", out.ratio, 10, 1100);
  out.archive_members =
      static_cast<int>(file.Int("limits.archive_members", out.archive_members, 1, 64));
  out.mime_parts = static_cast<int>(file.Int("limits.mime_parts", out.mime_parts, 1, 1000));
  out.aggregate.records = file.Int("limits.records", out.aggregate.records, 1, int64_t{5'000'000});
  return out;
}

// A level that is never reached before another would be one that somebody counts on in vain.
void CheckOrder(TomlConfig& file, const Watermarks& watermarks) {
  if (watermarks.import_percent > watermarks.intake_percent) {
    file.Reject("store.import_watermark_percent",
                fmt::format("{}, above store.watermark_percent, which is {}",
                            watermarks.import_percent, watermarks.intake_percent));
  }
  if (watermarks.intake_percent > watermarks.write_percent) {
    file.Reject("store.watermark_percent",
                fmt::format("{}, above store.write_watermark_percent, which is {}",
                            watermarks.intake_percent, watermarks.write_percent));
  }
}

// "90d", or "forever".
absl::Duration ReadTerm(TomlConfig& file, std::string_view key, absl::Duration fallback) {
  const std::string text = file.String(key, "");
  if (text.empty() && !file.Has(key)) return fallback;
  if (text == "forever") return absl::InfiniteDuration();
  const auto term = ParseDurationText(text);
  if (!term.ok()) {
    file.Reject(key, fmt::format("'{}', want a span such as 90d, or forever", text));
    return fallback;
  }
  if (*term < absl::Hours(24)) file.Reject(key, fmt::format("'{}', want 1d at least", text));
  return *term;
}

std::string TermText(absl::Duration term) {
  if (term == absl::InfiniteDuration()) return "forever";
  const absl::Duration day = absl::Hours(24);
  return term % day == absl::ZeroDuration() ? fmt::format("{}d", term / day)
                                            : absl::FormatDuration(term);
}

Retention ReadRetention(TomlConfig& file) {
  Retention out;
  out.failure = ReadTerm(file, "retention.failure", out.failure);
  out.raw = ReadTerm(file, "retention.raw", out.raw);
  out.quarantine = ReadTerm(file, "retention.quarantine", out.quarantine);
  out.rows = ReadTerm(file, "retention.rows", out.rows);
  out.totals = ReadTerm(file, "retention.totals", out.totals);
  // A receipt goes with its rows, and everything else that is known of a message with it.
  for (const auto& [key, term] :
       {std::pair("retention.failure", out.failure), std::pair("retention.raw", out.raw),
        std::pair("retention.quarantine", out.quarantine)}) {
    if (term > out.rows) {
      file.Reject(key, fmt::format("{}, longer than retention.rows, which is {}", TermText(term),
                                   TermText(out.rows)));
    }
  }
  if (out.rows > out.totals) {
    file.Reject("retention.rows", fmt::format("{}, longer than retention.totals, which is {}",
                                              TermText(out.rows), TermText(out.totals)));
  }
  return out;
}

SweeperOptions ReadSweeper(TomlConfig& file) {
  SweeperOptions out;
  out.interval = file.Duration("retention.interval", out.interval);
  if (out.interval < absl::Seconds(1)) file.Reject("retention.interval", "want at least 1s");
  out.first_after = std::min(out.first_after, out.interval);
  return out;
}

std::vector<std::string> ReadMaildirs(TomlConfig& file) {
  std::vector<std::string> out;
  for (TomlConfig* table : file.Tables("maildir")) {
    std::string path = table->String("path", "");
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    if (!path.starts_with('/')) {
      table->Reject("path", "want the absolute path of a Maildir");
    } else if (std::ranges::find(out, path) != out.end()) {
      table->Reject("path", fmt::format("{} is there twice", path));
    }
    out.push_back(std::move(path));
  }
  return out;
}

absl::StatusOr<IngestConfig> Read(TomlConfig file) {
  IngestConfig out;
  out.listen = ReadListenConfig(file, {.unix_socket = "/run/dmarcate/ingestd/socket",
                                       .token_file = "/var/lib/dmarcate/ingestd/token"});
  out.store_directory = file.String("store.directory", "/var/lib/dmarcate/reports");
  if (!out.store_directory.starts_with('/')) {
    file.Reject("store.directory", "want an absolute path");
  }
  out.watermarks.import_percent = static_cast<int>(
      file.Int("store.import_watermark_percent", out.watermarks.import_percent, 1, 100));
  out.watermarks.intake_percent =
      static_cast<int>(file.Int("store.watermark_percent", out.watermarks.intake_percent, 1, 100));
  // Where the level before it is set above the default, that is the default.
  out.watermarks.write_percent = static_cast<int>(
      file.Int("store.write_watermark_percent",
               std::max(out.watermarks.write_percent, out.watermarks.intake_percent), 1, 100));
  CheckOrder(file, out.watermarks);
  out.retention = ReadRetention(file);
  out.sweeper = ReadSweeper(file);
  out.maildirs = ReadMaildirs(file);
  out.imap = ReadImapAccounts(file);
  out.public_suffix_file = file.String("public_suffix_file", "");
  out.dns = LoadDnsConfig(file);
  out.verify = file.Bool("trust.verify", true);
  out.anchor_file = file.String("trust.anchors", "");
  if (!out.anchor_file.empty() && !out.anchor_file.starts_with('/')) {
    file.Reject("trust.anchors", "want an absolute path");
  }
  out.check_threads = static_cast<int>(file.Int("trust.check_threads", out.check_threads, 1, 64));
  out.limits = ReadLimits(file);
  out.smtp = ReadSmtpConfig(file, out.limits.message_bytes);
  const auto cores = static_cast<int64_t>(std::max(1u, std::thread::hardware_concurrency()));
  out.pipeline.parse_threads =
      static_cast<int>(file.Int("pipeline.parse_threads", std::min<int64_t>(cores, 8), 1, 64));
  out.queue_bytes = BytesWithin(file, "pipeline.queue", 16 * kMiB, 1 * kMiB, 4096 * kMiB);
  out.redact_failure_reports = file.Bool("failure_reports.redact", true);
  out.drain_limit = file.Duration("shutdown.limit", absl::Seconds(20));
  out.log = ReadLogConfig(file);
  DMARCATE_RETURN_IF_ERROR(file.Finish());
  return out;
}

}  // namespace

absl::StatusOr<IngestConfig> LoadIngestConfig(const std::string& path) {
  DMARCATE_ASSIGN_OR_RETURN(TomlConfig file, TomlConfig::ParseFile(path));
  return Read(std::move(file));
}

absl::StatusOr<IngestConfig> ParseIngestConfig(std::string_view text, std::string_view origin) {
  DMARCATE_ASSIGN_OR_RETURN(TomlConfig file, TomlConfig::Parse(text, origin));
  return Read(std::move(file));
}

}  // namespace dmarcate
