#include "lib/report/json_stream.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"

#include "lib/report/repair_log.h"

namespace dmarcate {
namespace {

using nlohmann::json;

constexpr size_t kShownKeyBytes = 64;
constexpr size_t kFewNames = 16;  // a search from end to end is quicker than a table

// The names of one object. abseil's tables are keyed by the process, so nobody can aim at them.
class Names {
 public:
  // False if it is there already.
  bool Add(const std::string& name) {
    if (table_.empty()) {
      if (std::ranges::find(few_, name) != few_.end()) return false;
      if (few_.size() < kFewNames) {
        few_.push_back(name);
        return true;
      }
      table_.insert(few_.begin(), few_.end());
    }
    return table_.insert(name).second;
  }
  size_t size() const { return table_.empty() ? few_.size() : table_.size(); }
  void Clear() {
    few_.clear();
    table_ = {};
  }

 private:
  std::vector<std::string> few_;
  absl::flat_hash_set<std::string> table_;
};

class Reader final : public nlohmann::json_sax<json> {
 public:
  Reader(const JsonShape& shape, const JsonStreamLimits& limits, const JsonVisitor& visit)
      : limits_(limits), visit_(visit), next_(&shape) {}

  bool null() override {
    return Scalar([] { return json(); });
  }
  bool boolean(bool value) override {
    return Scalar([value] { return json(value); });
  }
  bool number_integer(number_integer_t value) override {
    return Scalar([value] { return json(value); });
  }
  bool number_unsigned(number_unsigned_t value) override {
    return Scalar([value] { return json(value); });
  }
  bool number_float(number_float_t value, const string_t& /*text*/) override {
    return Scalar([value] { return json(value); });
  }
  bool string(string_t& value) override {
    return Scalar([&value] { return json(std::move(value)); });
  }
  bool binary(binary_t& /*value*/) override { return false; }  // JSON has none
  bool start_object(size_t /*elements*/) override { return Open(json::value_t::object); }
  bool key(string_t& name) override;
  bool end_object() override { return Close(); }
  bool start_array(size_t /*elements*/) override { return Open(json::value_t::array); }
  bool end_array() override { return Close(); }
  bool parse_error(size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    return false;
  }

  JsonStreamResult Take(bool complete) {
    if (!complete) result_.root = json(json::value_t::discarded);
    return std::move(result_);
  }

 private:
  struct Container {
    json value;
    const JsonShape* shape = nullptr;  // nullptr: passed over
    std::string name;                  // of the member whose value comes next
  };

  bool Count();
  // The shape of the value that comes next; nullptr if it is not kept.
  const JsonShape* NextShape() const;
  bool Open(json::value_t type);
  bool Close();
  template <typename Make>
  bool Scalar(Make make) {
    if (!Count()) return false;
    return NextShape() == nullptr || Place(make());
  }
  // Into the innermost container, or to the visitor.
  bool Place(json value);

  const JsonStreamLimits& limits_;
  const JsonVisitor& visit_;
  const JsonShape* next_;  // of the next member, or of the root
  std::vector<Container> open_;
  std::vector<Names> names_;  // by depth, used again
  JsonStreamResult result_;
};

bool Reader::Count() {
  if (*limits_.values == 0) {
    result_.too_many_values = true;
    return false;
  }
  --*limits_.values;
  return true;
}

const JsonShape* Reader::NextShape() const {
  if (open_.empty()) return next_;
  const Container& in = open_.back();
  if (in.shape == nullptr) return nullptr;
  if (in.value.is_object()) return next_;
  if (!in.shape->streamed && in.value.size() >= limits_.kept_elements) return nullptr;
  return in.shape->element;
}

bool Reader::Open(json::value_t type) {
  if (!Count()) return false;
  const JsonShape* shape = NextShape();
  open_.push_back({json(type), shape, ""});
  if (names_.size() < open_.size()) names_.emplace_back();
  names_[open_.size() - 1].Clear();
  return true;
}

bool Reader::key(string_t& name) {
  Container& in = open_.back();
  Names& names = names_[open_.size() - 1];
  if (names.size() >= limits_.members) {
    result_.too_many_values = true;
    return false;
  }
  if (!names.Add(name)) {
    result_.has_repeated_key = true;
    result_.repeated_key = CutUtf8(name, kShownKeyBytes);
    return false;
  }
  next_ = nullptr;
  if (in.shape == nullptr) return true;
  const auto member = std::ranges::find(in.shape->members, name, &JsonShape::Member::name);
  if (member == in.shape->members.end()) return true;
  next_ = member->shape;
  in.name = std::move(name);
  return true;
}

bool Reader::Close() {
  Container closed = std::move(open_.back());
  open_.pop_back();
  return closed.shape == nullptr || Place(std::move(closed.value));
}

bool Reader::Place(json value) {
  if (open_.empty()) {
    result_.root = std::move(value);
    return true;
  }
  Container& in = open_.back();
  if (in.value.is_object()) {
    in.value[in.name] = std::move(value);
    return true;
  }
  if (!in.shape->streamed) {
    in.value.push_back(std::move(value));
    return true;
  }
  result_.stopped = !visit_(*in.shape, std::move(value));
  return !result_.stopped;
}

}  // namespace

JsonStreamResult ReadJsonStream(std::string_view text, const JsonShape& shape,
                                const JsonStreamLimits& limits, const JsonVisitor& visit) {
  Reader reader(shape, limits, visit);
  const bool complete = json::sax_parse(text.begin(), text.end(), &reader);
  return reader.Take(complete);
}

}  // namespace dmarcate
