#include "ingestd/intake/smtp/protocol/data_reader.h"

#include <algorithm>

namespace dmarcate {

size_t DataReader::Read(std::string_view input, std::string* message) {
  const auto keep = [message](std::string_view text) {
    if (message != nullptr) message->append(text);
  };
  size_t at = 0;
  while (at < input.size() && state_ != State::kEnded) {
    const char c = input[at];
    switch (state_) {
      case State::kLineStart:
        state_ = c == '.' ? State::kDot : State::kText;
        if (c == '.') ++at;
        break;
      case State::kText: {
        const std::string_view rest = input.substr(at);
        const size_t cr = std::min(rest.find('\r'), rest.size());
        const std::string_view text = rest.substr(0, cr);
        bare_ = bare_ || text.find('\n') != std::string_view::npos;
        keep(text);
        at += cr;
        if (cr < rest.size()) {
          ++at;
          state_ = State::kCr;
        }
        break;
      }
      case State::kCr:
        keep("\r");
        if (c == '\n') {
          keep("\n");
          ++at;
          state_ = State::kLineStart;
        } else {
          bare_ = true;
          state_ = State::kText;
        }
        break;
      case State::kDot:
        state_ = c == '\r' ? State::kDotCr : State::kText;
        if (c == '\r') ++at;
        break;
      case State::kDotCr:
        if (c == '\n') {
          ++at;
          state_ = State::kEnded;
        } else {
          bare_ = true;
          keep("\r");
          state_ = State::kText;
        }
        break;
      case State::kEnded:
        break;
    }
  }
  return at;
}

}  // namespace dmarcate
