// lib/base/toml_config.h
// Strict configuration files: every key that is read is known, every other key is an error that
// names the nearest known one. A daemon's loader reads its keys and calls Finish() at the end.
//
//   DMARCATE_ASSIGN_OR_RETURN(TomlConfig file, TomlConfig::ParseFile(path));
//   config.directory = file.String("store.directory", "/var/lib/dmarcate/reports");
//   config.sync_deadline = file.Duration("store.deadline", absl::Seconds(10));
//   DMARCATE_RETURN_IF_ERROR(file.Finish());

#ifndef DMARCATE_LIB_BASE_TOML_CONFIG_H_
#define DMARCATE_LIB_BASE_TOML_CONFIG_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dmarcate {

// One TOML file or one table of it. Reading records the key as known and remembers the first
// value of a wrong type; Finish() reports it, then any key that nobody asked for.
class TomlConfig {
 public:
  // kNotFound, kPermissionDenied: the file. kInvalidArgument: not TOML, with line and column.
  static absl::StatusOr<TomlConfig> ParseFile(const std::string& path);
  static absl::StatusOr<TomlConfig> Parse(std::string_view text, std::string_view origin);
  TomlConfig(TomlConfig&&) noexcept;
  TomlConfig& operator=(TomlConfig&&) noexcept;
  ~TomlConfig();

  // `key` is dotted: "listen.grpc". Absent gives `fallback`.
  std::string String(std::string_view key, std::string_view fallback);
  bool Bool(std::string_view key, bool fallback);
  int64_t Int(std::string_view key, int64_t fallback, int64_t minimum, int64_t maximum);
  // "250ms", "30s", "10m", "6h", "30d"
  absl::Duration Duration(std::string_view key, absl::Duration fallback);
  // "512", "64KiB", "25MiB", "1GiB"
  int64_t Bytes(std::string_view key, int64_t fallback);
  std::vector<std::string> Strings(std::string_view key, std::vector<std::string> fallback);
  // Array of tables: [[dns.stub]]. Each element is checked by the Finish() of this object too.
  std::vector<TomlConfig*> Tables(std::string_view key);
  // One of the names in `choices`; another one is an error that lists them.
  template <typename T>
  T OneOf(std::string_view key, const std::vector<std::pair<std::string_view, T>>& choices,
          T fallback) {
    std::vector<std::string> names;
    for (const auto& choice : choices) names.emplace_back(choice.first);
    const std::optional<size_t> chosen = IndexOf(key, names);
    return chosen ? choices[*chosen].second : fallback;
  }
  bool Has(std::string_view key) const;
  // A value that has the right type and the wrong content.
  void Reject(std::string_view key, std::string_view why);

  absl::Status Finish();

 private:
  struct Impl;
  explicit TomlConfig(std::unique_ptr<Impl> impl);
  // Which of `names` the value is; nothing if there is none, or it was rejected as another.
  std::optional<size_t> IndexOf(std::string_view key, const std::vector<std::string>& names);
  std::unique_ptr<Impl> impl_;
};

// "30d" and the like; kInvalidArgument names the accepted units.
absl::StatusOr<absl::Duration> ParseDurationText(std::string_view text);
absl::StatusOr<int64_t> ParseBytesText(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_TOML_CONFIG_H_
