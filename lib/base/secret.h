// lib/base/secret.h
// A value that must never be seen: not printed, not formatted, not compared byte by byte, wiped
// when it goes. The only way to the text is Reveal(), which is easy to search for.

#ifndef DMARCATE_LIB_BASE_SECRET_H_
#define DMARCATE_LIB_BASE_SECRET_H_

#include <string>
#include <string_view>
#include <utility>

#include <openssl/crypto.h>

namespace dmarcate {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  // A short text lies in the string itself, where a move leaves it: so it is copied and wiped.
  Secret(Secret&& other) noexcept { *this = std::move(other); }
  Secret& operator=(const Secret& other) {
    if (this != &other) {
      Wipe();
      value_ = other.value_;
    }
    return *this;
  }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      Wipe();
      value_ = other.value_;
      other.Wipe();
    }
    return *this;
  }
  ~Secret() { Wipe(); }

  // The text itself. Never log it, never put it into an error.
  const std::string& Reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  // In constant time for equal lengths.
  bool Matches(std::string_view candidate) const {
    return candidate.size() == value_.size() &&
           CRYPTO_memcmp(candidate.data(), value_.data(), value_.size()) == 0;
  }

 private:
  void Wipe() {
    if (!value_.empty()) OPENSSL_cleanse(value_.data(), value_.size());
    value_.clear();
  }
  std::string value_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_SECRET_H_
