// ingestd/config.h
// ingestd's configuration file: strict TOML, every key with a default. deploy/ holds a commented
// sample.

#ifndef DMARCATE_INGESTD_CONFIG_H_
#define DMARCATE_INGESTD_CONFIG_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "ingestd/intake/imap/account.h"
#include "ingestd/intake/retention.h"
#include "ingestd/intake/smtp/config.h"
#include "ingestd/intake/storage_gauge.h"
#include "ingestd/pipeline/pipeline.h"
#include "lib/dns/resolver.h"
#include "lib/rpc/daemon.h"
#include "lib/rpc/listen_config.h"
#include "lib/unpack/unpack.h"

namespace dmarcate {

struct IngestConfig {
  ListenConfig listen;          // [listen]
  std::string store_directory;  // store.directory: the database and what belongs to it
  Watermarks
      watermarks;  // store.import_watermark_percent, .watermark_percent, .write_watermark_percent
  Retention retention;                 // [retention]
  SweeperOptions sweeper;              // retention.interval
  std::vector<std::string> maildirs;   // [[maildir]] path
  SmtpConfig smtp;                     // [smtp], [lmtp]
  std::vector<ImapAccount> imap;       // [[imap]]
  std::string public_suffix_file;      // empty: the list compiled into libpsl
  DnsConfig dns;                       // [dns], [[dns.stub]]: who is asked to verify mail
  bool verify = true;                  // trust.verify; false: every report is IMPORTED
  std::string anchor_file;             // trust.anchors; empty: the list that is shipped
  int check_threads = 4;               // trust.check_threads: mails verified at a time
  UnpackLimits limits;                 // [limits]
  PipelineOptions pipeline;            // pipeline.parse_threads
  bool redact_failure_reports = true;  // failure_reports.redact
  int64_t queue_bytes = 0;     // pipeline.queue: received by SMTP and not finished; half, in bulk
  absl::Duration drain_limit;  // shutdown.limit
  LogConfig log;               // [log]

  // Beside the store, and kept as long: with another key the same address has another token.
  std::string RedactionKeyFile() const { return store_directory + "/redaction.key"; }
};

//   kNotFound, kPermissionDenied  the file      kInvalidArgument  its content, with the nearest
//   known key
absl::StatusOr<IngestConfig> LoadIngestConfig(const std::string& path);
// `origin` is named in errors.
absl::StatusOr<IngestConfig> ParseIngestConfig(std::string_view text, std::string_view origin);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_CONFIG_H_
