#include "lib/base/toml_config.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>

#include "fmt/format.h"
#include "toml++/toml.h"

#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kConfigLimitBytes = 1 << 20;

struct Unit {
  std::string_view suffix;
  int64_t factor;
};

absl::StatusOr<int64_t> ParseWithUnit(std::string_view text, const std::vector<Unit>& units,
                                      std::string_view kind) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view suffix =
      error == std::errc() ? text.substr(static_cast<size_t>(end - text.data())) : text;
  std::vector<std::string> known;
  for (const Unit& unit : units) {
    if (error == std::errc() && number >= 0 && suffix == unit.suffix &&
        number <= INT64_MAX / unit.factor) {
      return number * unit.factor;
    }
    known.emplace_back(unit.suffix.empty() ? "no unit" : unit.suffix);
  }
  return MakeError(
      absl::StatusCode::kInvalidArgument,
      fmt::format("{} '{}': want a number and one of: {}", kind, text, Join(known, ", ")));
}

}  // namespace

absl::StatusOr<absl::Duration> ParseDurationText(std::string_view text) {
  DMARCATE_ASSIGN_OR_RETURN(
      const int64_t millis,
      ParseWithUnit(text,
                    {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}},
                    "duration"));
  return absl::Milliseconds(millis);
}

absl::StatusOr<int64_t> ParseBytesText(std::string_view text) {
  return ParseWithUnit(text, {{"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}},
                       "size");
}

struct TomlConfig::Impl {
  toml::table table;
  std::string origin;  // the file's name, then the table's path
  std::set<std::string, std::less<>> known;
  std::vector<std::unique_ptr<TomlConfig>> children;
  absl::Status error;

  void Fail(std::string_view key, std::string_view why) {
    if (!error.ok()) return;
    error =
        MakeError(absl::StatusCode::kInvalidArgument, fmt::format("{}: {}: {}", origin, key, why));
  }

  toml::node_view<toml::node> Find(std::string_view key) {
    known.emplace(key);
    return table.at_path(key);
  }

  // What a file has: a key, or a table with nothing in it.
  struct Leaf {
    std::string path;
    bool empty_table = false;
  };

  // A key that was asked for; of an empty table, whether any in it was.
  bool Knows(const Leaf& leaf) const {
    if (!leaf.empty_table) return known.contains(leaf.path);
    const std::string prefix = leaf.path + ".";
    const auto below = known.lower_bound(prefix);
    return below != known.end() && below->starts_with(prefix);
  }

  // Of the same table what has a last word like that of `leaf`: that two share a table does not
  // make them alike. Else any that is like it as a whole.
  std::string NearestKey(const std::string& leaf) const {
    const std::string prefix = leaf.substr(0, leaf.rfind('.') + 1);
    std::vector<std::string> words, others;
    for (const std::string& key : known) {
      const bool same =
          key.starts_with(prefix) && key.find('.', prefix.size()) == std::string::npos;
      if (same) words.push_back(key.substr(prefix.size()));
      if (!same) others.push_back(key);
    }
    const std::string word = Nearest(leaf.substr(prefix.size()), words);
    return word.empty() ? Nearest(leaf, others) : prefix + word;
  }

  // All leaves by dotted paths; a table inside an array counts with the array.
  static void Leaves(const toml::table& at, const std::string& prefix, std::vector<Leaf>* out) {
    for (const auto& [key, node] : at) {
      // A dot within a key is no step of a path: "a.b" in quotes is not b in the table a.
      const std::string name = key.str().find('.') == std::string_view::npos
                                   ? std::string(key.str())
                                   : fmt::format("\"{}\"", key.str());
      const std::string path = prefix.empty() ? name : fmt::format("{}.{}", prefix, name);
      const auto* inner = node.as_table();
      if (inner == nullptr || inner->empty()) {
        out->push_back({path, /*empty_table=*/inner != nullptr});
      } else {
        Leaves(*inner, path, out);
      }
    }
  }
};

TomlConfig::TomlConfig(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TomlConfig::TomlConfig(TomlConfig&&) noexcept = default;
TomlConfig& TomlConfig::operator=(TomlConfig&&) noexcept = default;
TomlConfig::~TomlConfig() = default;

absl::StatusOr<TomlConfig> TomlConfig::ParseFile(const std::string& path) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kConfigLimitBytes));
  return Parse(text, path);
}

absl::StatusOr<TomlConfig> TomlConfig::Parse(std::string_view text, std::string_view origin) {
  auto impl = std::make_unique<Impl>();
  impl->origin = std::string(origin);
  try {  // toml++ throws by default; it stops here
    impl->table = toml::parse(text, origin);
  } catch (const toml::parse_error& error) {
    return MakeError(
        absl::StatusCode::kInvalidArgument,
        fmt::format("{}:{}:{}: {}", origin, error.source().begin.line, error.source().begin.column,
                    std::string_view(error.description())));
  }
  return TomlConfig(std::move(impl));
}

std::string TomlConfig::String(std::string_view key, std::string_view fallback) {
  const auto node = impl_->Find(key);
  if (!node) return std::string(fallback);
  if (const auto* value = node.as_string()) return value->get();
  impl_->Fail(key, "want a string");
  return std::string(fallback);
}

bool TomlConfig::Bool(std::string_view key, bool fallback) {
  const auto node = impl_->Find(key);
  if (!node) return fallback;
  if (const auto* value = node.as_boolean()) return value->get();
  impl_->Fail(key, "want true or false");
  return fallback;
}

int64_t TomlConfig::Int(std::string_view key, int64_t fallback, int64_t minimum, int64_t maximum) {
  const auto node = impl_->Find(key);
  if (!node) return fallback;
  if (const auto* value = node.as_integer()) {
    if (value->get() >= minimum && value->get() <= maximum) return value->get();
    impl_->Fail(key, fmt::format("{} is outside {} to {}", value->get(), minimum, maximum));
    return fallback;
  }
  impl_->Fail(key, "want a whole number");
  return fallback;
}

absl::Duration TomlConfig::Duration(std::string_view key, absl::Duration fallback) {
  const std::string text = String(key, "");
  if (text.empty()) return fallback;
  const auto parsed = ParseDurationText(text);
  if (parsed.ok()) return *parsed;
  impl_->Fail(key, MessageOf(parsed.status()));
  return fallback;
}

int64_t TomlConfig::Bytes(std::string_view key, int64_t fallback) {
  const std::string text = String(key, "");
  if (text.empty()) return fallback;
  const auto parsed = ParseBytesText(text);
  if (parsed.ok()) return *parsed;
  impl_->Fail(key, MessageOf(parsed.status()));
  return fallback;
}

std::vector<std::string> TomlConfig::Strings(std::string_view key,
                                             std::vector<std::string> fallback) {
  const auto node = impl_->Find(key);
  if (!node) return fallback;
  std::vector<std::string> out;
  if (const auto* array = node.as_array()) {
    for (const auto& item : *array) {
      const auto* value = item.as_string();
      if (value == nullptr) {
        impl_->Fail(key, "want a list of strings");
        return fallback;
      }
      out.push_back(value->get());
    }
    return out;
  }
  impl_->Fail(key, "want a list of strings");
  return fallback;
}

std::vector<TomlConfig*> TomlConfig::Tables(std::string_view key) {
  const auto node = impl_->Find(key);
  std::vector<TomlConfig*> out;
  if (!node) return out;
  const auto* array = node.as_array();
  if (array == nullptr) {
    impl_->Fail(key, fmt::format("want tables: [[{}]]", key));
    return out;
  }
  for (size_t i = 0; i < array->size(); ++i) {
    const auto* table = array->get(i)->as_table();
    if (table == nullptr) {
      impl_->Fail(key, fmt::format("want tables: [[{}]]", key));
      return out;
    }
    auto child = std::make_unique<Impl>();
    child->table = *table;
    child->origin = fmt::format("{}: {}[{}]", impl_->origin, key, i);
    impl_->children.push_back(std::unique_ptr<TomlConfig>(new TomlConfig(std::move(child))));
    out.push_back(impl_->children.back().get());
  }
  return out;
}

std::optional<size_t> TomlConfig::IndexOf(std::string_view key,
                                          const std::vector<std::string>& names) {
  const bool present = Has(key);
  const std::string value = String(key, "");
  if (!present) return std::nullopt;
  const auto found = std::find(names.begin(), names.end(), value);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  Reject(key, fmt::format("\"{}\", want one of: {}", EscapeForTerminal(value), Join(names, ", ")));
  return std::nullopt;
}

bool TomlConfig::Has(std::string_view key) const {
  return static_cast<bool>(impl_->table.at_path(key));
}

void TomlConfig::Reject(std::string_view key, std::string_view why) { impl_->Fail(key, why); }

absl::Status TomlConfig::Finish() {
  DMARCATE_RETURN_IF_ERROR(impl_->error);
  std::vector<Impl::Leaf> leaves;
  Impl::Leaves(impl_->table, "", &leaves);
  for (const Impl::Leaf& leaf : leaves) {
    if (impl_->Knows(leaf)) continue;
    const std::string nearest = impl_->NearestKey(leaf.path);
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("{}: unknown key '{}'{}", impl_->origin, leaf.path,
                                 nearest.empty() ? std::string()
                                                 : fmt::format("; did you mean '{}'?", nearest)));
  }
  for (const auto& child : impl_->children) DMARCATE_RETURN_IF_ERROR(child->Finish());
  return absl::OkStatus();
}

}  // namespace dmarcate
