// lib/store/wire.h
// The bytes that values at rest are made of: LEB128 varints, zigzag for signed numbers, strings and
// lists behind their length. docs/store.md uses the names of these functions.

#ifndef DMARCATE_LIB_STORE_WIRE_H_
#define DMARCATE_LIB_STORE_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace dmarcate {

// Appends to a string that it does not own.
class WireWriter {
 public:
  explicit WireWriter(std::string* out) : out_(*out) {}

  void Byte(uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void Bytes(std::string_view bytes) { out_.append(bytes); }
  void Varint(uint64_t value) {
    while (value >= 0x80) {
      Byte(static_cast<uint8_t>(value) | 0x80);
      value >>= 7;
    }
    Byte(static_cast<uint8_t>(value));
  }
  // 0, -1, 1, -2, ... become 0, 1, 2, 3, ...
  void Zigzag(int64_t value) {
    Varint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
  }
  void String(std::string_view text) {
    Varint(text.size());
    Bytes(text);
  }
  // Microseconds since 1970 as a zigzag; the infinities are the extremes of int64.
  void Time(absl::Time time);

 private:
  std::string& out_;
};

// Reads what WireWriter wrote. The first thing that does not fit makes ok() false for good; all
// reads from then on give zeros and empty views, so that callers check once, at the end.
class WireReader {
 public:
  explicit WireReader(std::string_view in) : in_(in) {}

  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && in_.empty(); }
  size_t remaining() const { return in_.size(); }

  uint8_t Byte() {
    if (in_.empty()) return Fail();
    const auto value = static_cast<uint8_t>(in_.front());
    in_.remove_prefix(1);
    return value;
  }
  std::string_view Bytes(size_t n) {
    if (n > in_.size()) {
      Fail();
      return {};
    }
    const std::string_view bytes = in_.substr(0, n);
    in_.remove_prefix(n);
    return bytes;
  }
  uint64_t Varint() {
    if (!in_.empty() && static_cast<uint8_t>(in_.front()) < 0x80) return Byte();  // most are short
    return LongVarint();
  }
  int64_t Zigzag() {
    const uint64_t value = Varint();
    return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
  }
  std::string_view String() { return Bytes(Length(1)); }
  // A number of things of at least `bytes_each` bytes that follow; fails where they cannot.
  size_t Length(size_t bytes_each) {
    const uint64_t n = Varint();
    if (n > in_.size() / bytes_each) return Fail();
    return static_cast<size_t>(n);
  }
  // An enum in one byte or in a part of one: fails above `last`.
  template <typename E>
  E Enum(uint8_t value, E last) {
    if (value > static_cast<uint8_t>(last)) return static_cast<E>(Fail());
    return static_cast<E>(value);
  }
  absl::Time Time();
  uint8_t Fail() {
    ok_ = false;
    in_ = {};
    return 0;
  }

 private:
  uint64_t LongVarint();

  std::string_view in_;
  bool ok_ = true;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_WIRE_H_
