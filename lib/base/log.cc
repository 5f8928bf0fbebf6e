#include "lib/base/log.h"

#include <atomic>
#include <memory>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

#include "lib/base/text.h"
#include "lib/base/time.h"

namespace dmarcate {
namespace {

std::atomic<LogFormat> g_format{LogFormat::kLogfmt};
std::atomic<LogLevel> g_minimum{LogLevel::kInfo};

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>("dmarcate",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");  // the line is complete when it gets here
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

std::string_view NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

// For inside double quotes, valid both as logfmt and as JSON.
std::string Quote(std::string_view value) {
  std::string out = "\"";
  for (const char c : ToValidUtf8(value)) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  out += '"';
  return out;
}

}  // namespace

void ConfigureLog(LogFormat format, LogLevel minimum) {
  g_format = format;
  g_minimum = minimum;
}

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (level < g_minimum.load()) return;
  const std::string time = FormatRfc3339(absl::Now());
  std::string line;
  if (g_format.load() == LogFormat::kJson) {
    line = fmt::format(R"({{"ts":"{}","level":"{}","event":"{}")", time, NameOf(level), event);
    for (const LogField& field : fields) {
      line +=
          fmt::format(R"(,"{}":{})", field.key, field.quoted ? Quote(field.value) : field.value);
    }
    line += '}';
  } else {
    line = fmt::format("ts={} level={} event={}", time, NameOf(level), event);
    for (const LogField& field : fields) {
      line += fmt::format(" {}={}", field.key, field.quoted ? Quote(field.value) : field.value);
    }
  }
  Logger().info(fmt::runtime("{}"), line);
}

}  // namespace dmarcate
