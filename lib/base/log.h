// lib/base/log.h
// One event, one line, on stderr: logfmt by default, JSON by configuration.
//
//   LogInfo("report_stored", {{"domain", domain}, {"records", records}});
//
// `event` is from a closed list (docs/logs.md grows with it). Values are escaped, so what a
// stranger wrote cannot start a line of its own. Secrets have no conversion to a value: a Secret
// does not compile here.

#ifndef DMARCATE_LIB_BASE_LOG_H_
#define DMARCATE_LIB_BASE_LOG_H_

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace dmarcate {

enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kLogfmt, kJson };

struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v), quoted(true) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v), quoted(true) {}
  LogField(std::string_view k, const char* v) : key(k), value(v), quoted(true) {}
  LogField(std::string_view k, bool v) : key(k), value(v ? "true" : "false"), quoted(false) {}
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  LogField(std::string_view k, T v) : key(k), value(std::to_string(v)), quoted(false) {}
  LogField(std::string_view k, const absl::Status& v) : key(k), value(v.ToString()), quoted(true) {}
  std::string_view key;
  std::string value;
  bool quoted;
};

// Call once, before the first event. The default is logfmt at kInfo.
void ConfigureLog(LogFormat format, LogLevel minimum);

// Thread-safe.
void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields);
inline void LogDebug(std::string_view event, std::initializer_list<LogField> fields) {
  Log(LogLevel::kDebug, event, fields);
}
inline void LogInfo(std::string_view event, std::initializer_list<LogField> fields) {
  Log(LogLevel::kInfo, event, fields);
}
inline void LogWarn(std::string_view event, std::initializer_list<LogField> fields) {
  Log(LogLevel::kWarn, event, fields);
}
inline void LogError(std::string_view event, std::initializer_list<LogField> fields) {
  Log(LogLevel::kError, event, fields);
}

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_LOG_H_
