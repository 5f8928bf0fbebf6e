#include "lib/report/json_tree.h"

#include <set>
#include <utility>
#include <vector>

#include "lib/report/repair_log.h"

namespace dmarcate {
namespace {

constexpr size_t kShownKeyBytes = 64;

// Stops, by returning false, at the first thing for which the text is refused.
class Inspector final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Inspector(JsonTree* tree, size_t* values) : tree_(*tree), values_(*values) {}

  bool null() override { return Count(); }
  bool boolean(bool /*value*/) override { return Count(); }
  bool number_integer(number_integer_t /*value*/) override { return Count(); }
  bool number_unsigned(number_unsigned_t /*value*/) override { return Count(); }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return Count(); }
  bool string(string_t& /*value*/) override { return Count(); }
  bool binary(binary_t& /*value*/) override { return Count(); }
  bool start_array(size_t /*elements*/) override { return Count(); }
  bool end_array() override { return true; }
  bool start_object(size_t /*elements*/) override {
    open_.emplace_back();
    return Count();
  }
  bool end_object() override {
    open_.pop_back();
    return true;
  }
  bool key(string_t& name) override {
    if (open_.back().insert(name).second) return true;  // its value counts
    tree_.has_repeated_key = true;
    tree_.repeated_key = CutUtf8(name, kShownKeyBytes);
    return false;
  }
  bool parse_error(size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    return false;
  }

 private:
  bool Count() {
    if (values_ == 0) {
      tree_.too_many_values = true;
      return false;
    }
    --values_;
    return true;
  }

  JsonTree& tree_;
  size_t& values_;
  std::vector<std::set<std::string>> open_;  // the names seen in each open object
};

}  // namespace

JsonTree ParseJsonTree(std::string_view text, size_t* values) {
  using nlohmann::json;
  JsonTree tree;
  // Looked through first and made afterwards: the library's parser with a callback searches a whole
  // array whenever an object in it ends.
  Inspector inspector(&tree, values);
  if (!json::sax_parse(text.begin(), text.end(), &inspector)) {
    tree.root = json(json::value_t::discarded);
    return tree;
  }
  tree.root = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  return tree;
}

}  // namespace dmarcate
