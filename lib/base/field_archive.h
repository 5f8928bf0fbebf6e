// lib/base/field_archive.h
// Values as bytes and back, by one list of fields for both directions: what is written is what is
// read. Pure. Equal values, equal bytes: a text beside its length, numbers in decimal, times in
// nanoseconds since 1970, rates as the bits of their double.
//
// A struct says what it is made of in its own namespace, before the .cc file that encodes it uses
// it:
//
//   template <typename A>
//   void Fields(A& archive, Point& v) { AllFields(archive, v.x, v.y); }
//
// Bytes begin with a word and a version, which are the caller's. The version grows with every
// change of a struct, and numbers of enums never change their meaning. Bytes of an older version
// are read where the caller reads that version, too: what a struct has had since version 2 only
// stands at its end, and is written and read by
//
//   if (archive.version() >= 2) AllFields(archive, v.z);

#ifndef DMARCATE_LIB_BASE_FIELD_ARCHIVE_H_
#define DMARCATE_LIB_BASE_FIELD_ARCHIVE_H_

#include <array>
#include <bit>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fmt/format.h"

#include "lib/base/status_macros.h"

namespace dmarcate {

class FieldWriter {
 public:
  static constexpr bool kReads = false;
  explicit FieldWriter(int64_t version) : version_(version) {}
  int64_t version() const { return version_; }
  bool ok() const { return true; }
  void Number(int64_t& value) { bytes_ += fmt::format("{};", value); }
  void Text(std::string& text) { bytes_ += fmt::format("{}:{};", text.size(), text); }
  std::string Take() { return std::move(bytes_); }

 private:
  const int64_t version_;
  std::string bytes_;
};

class FieldReader {
 public:
  static constexpr bool kReads = true;
  static constexpr int64_t kMostItems = 5'000'000;  // of one list
  explicit FieldReader(std::string_view bytes) : rest_(bytes) {}
  int64_t version() const { return version_; }
  void SetVersion(int64_t version) { version_ = version; }
  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && rest_.empty(); }
  void Fail() { ok_ = false; }
  void Number(int64_t& value) {
    const size_t end = rest_.find(';');
    if (!ok_ || end == std::string_view::npos) return Fail();
    const auto [stop, error] = std::from_chars(rest_.data(), rest_.data() + end, value);
    if (error != std::errc() || stop != rest_.data() + end) return Fail();
    rest_.remove_prefix(end + 1);
  }
  void Text(std::string& text) {
    const size_t colon = rest_.find(':');
    size_t size = 0;
    if (!ok_ || colon == std::string_view::npos) return Fail();
    const auto [stop, error] = std::from_chars(rest_.data(), rest_.data() + colon, size);
    if (error != std::errc() || stop != rest_.data() + colon) return Fail();
    rest_.remove_prefix(colon + 1);
    if (rest_.size() <= size || rest_[size] != ';') return Fail();
    text = rest_.substr(0, size);
    rest_.remove_prefix(size + 1);
  }

 private:
  int64_t version_ = 0;
  std::string_view rest_;
  bool ok_ = true;
};

template <typename A, typename T>
void EachField(A& archive, T& value);

template <typename A, std::integral T>
void Field(A& archive, T& value) {
  auto number = static_cast<int64_t>(value);
  archive.Number(number);
  if constexpr (A::kReads) {
    if constexpr (std::is_same_v<T, bool>) {
      if (number != 0 && number != 1) return archive.Fail();
    } else if (!std::in_range<T>(number)) {
      return archive.Fail();
    }
    value = static_cast<T>(number);
  }
}
template <typename A, typename T>
  requires std::is_enum_v<T>
void Field(A& archive, T& value) {
  auto number = static_cast<std::underlying_type_t<T>>(value);
  Field(archive, number);
  value = static_cast<T>(number);
}
template <typename A>
void Field(A& archive, double& value) {
  auto bits = std::bit_cast<int64_t>(value);
  archive.Number(bits);
  value = std::bit_cast<double>(bits);
}
template <typename A>
void Field(A& archive, std::string& value) {
  archive.Text(value);
}
// Infinite times have no number: a mark goes before.
template <typename A>
void Field(A& archive, absl::Duration& value) {
  int64_t kind = value == absl::InfiniteDuration()    ? 1
                 : value == -absl::InfiniteDuration() ? -1
                                                      : 0;
  int64_t nanos = kind == 0 ? absl::ToInt64Nanoseconds(value) : 0;
  archive.Number(kind);
  archive.Number(nanos);
  value = kind > 0   ? absl::InfiniteDuration()
          : kind < 0 ? -absl::InfiniteDuration()
                     : absl::Nanoseconds(nanos);
}
template <typename A>
void Field(A& archive, absl::Time& value) {
  absl::Duration since = value - absl::UnixEpoch();
  Field(archive, since);
  value = absl::UnixEpoch() + since;
}
template <typename A, size_t N>
void Field(A& archive, std::array<bool, N>& values) {
  for (bool& value : values) Field(archive, value);
}
template <typename A, typename T>
void Field(A& archive, std::vector<T>& values) {
  auto size = static_cast<int64_t>(values.size());
  archive.Number(size);
  if constexpr (A::kReads) {
    if (size < 0 || size > FieldReader::kMostItems) return archive.Fail();
    values.clear();
    for (int64_t i = 0; i < size && archive.ok(); ++i) {
      values.emplace_back();
      EachField(archive, values.back());
    }
  } else {
    for (T& value : values) EachField(archive, value);
  }
}
template <typename A, typename T>
void Field(A& archive, std::optional<T>& value) {
  bool present = value.has_value();
  Field(archive, present);
  if (!present) {
    value.reset();
    return;
  }
  if (!value.has_value()) value.emplace();
  EachField(archive, *value);
}

template <typename A, typename... T>
void AllFields(A& archive, T&... fields) {
  (EachField(archive, fields), ...);
}

template <typename A, typename T>
void EachField(A& archive, T& value) {
  if constexpr (requires { Field(archive, value); }) {
    Field(archive, value);
  } else {
    Fields(archive, value);
  }
}

// `magic` and `version` go before, as a text and a number.
template <typename T>
std::string EncodeFields(T value, std::string_view magic, int64_t version) {
  FieldWriter writer(version);
  std::string word(magic);
  writer.Text(word);
  writer.Number(version);
  EachField(writer, value);
  return writer.Take();
}

// Versions `oldest` to `version` are read. `what` names the value in errors.
//   kDataLoss  not such bytes, or of another version
template <typename T>
absl::StatusOr<T> DecodeFields(std::string_view bytes, std::string_view magic, int64_t oldest,
                               int64_t version, std::string_view what) {
  FieldReader reader(bytes);
  std::string word;
  int64_t written = 0;
  reader.Text(word);
  reader.Number(written);
  if (!reader.ok() || word != magic) {
    return MakeError(absl::StatusCode::kDataLoss, fmt::format("{}: no such bytes", what));
  }
  if (written < oldest || written > version) {
    return MakeError(absl::StatusCode::kDataLoss,
                     oldest == version
                         ? fmt::format("{}: version {}, this one reads {}", what, written, version)
                         : fmt::format("{}: version {}, this one reads {} to {}", what, written,
                                       oldest, version));
  }
  reader.SetVersion(written);
  T value;
  EachField(reader, value);
  if (!reader.AtEnd()) {
    return MakeError(absl::StatusCode::kDataLoss, fmt::format("{}: does not decode", what));
  }
  return value;
}

template <typename T>
absl::StatusOr<T> DecodeFields(std::string_view bytes, std::string_view magic, int64_t version,
                               std::string_view what) {
  return DecodeFields<T>(bytes, magic, version, version, what);
}

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_FIELD_ARCHIVE_H_
