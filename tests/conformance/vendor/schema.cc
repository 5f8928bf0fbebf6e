#include "tests/conformance/vendor/schema.h"

#include <algorithm>
#include <map>
#include <optional>

#include "fmt/format.h"
#include <gtest/gtest.h>
#include <pugixml.hpp>
#include <yaml-cpp/yaml.h>

#include "lib/base/text.h"
#include "tests/testing/test_data.h"

namespace dmarcate::testing_support {
namespace {

using Json = nlohmann::json;

Json FromYaml(const YAML::Node& node) {
  if (node.IsMap()) {
    Json out = Json::object();
    for (const auto& pair : node) out[pair.first.as<std::string>()] = FromYaml(pair.second);
    return out;
  }
  if (node.IsSequence()) {
    Json out = Json::array();
    for (const auto& item : node) out.push_back(FromYaml(item));
    return out;
  }
  if (!node.IsScalar()) return nullptr;
  const auto text = node.as<std::string>();
  if (node.Tag() == "!") return text;  // quoted
  if (text == "true" || text == "false") return text == "true";
  const Json number = Json::parse(text, nullptr, false);
  return number.is_number() ? number : Json(text);
}

// A document of the corpus; nothing if it is not at hand.
const Json* Document(const std::string& file) {
  static auto& documents = *new std::map<std::string, Json>;
  if (const auto known = documents.find(file); known != documents.end()) return &known->second;
  const auto path = CorpusPath("provider-apis/" + file);
  if (!path) return nullptr;
  const std::string text = ReadWholeFile(*path);
  return &(documents[file] =
               file.ends_with(".json") ? Json::parse(text) : FromYaml(YAML::Load(text)));
}

bool HasType(const Json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_boolean();
  return false;
}

class Checker {
 public:
  using Errors = std::vector<std::string>;

  Errors Check(const std::string& file, const Json& schema, const Json& value,
               const std::string& at) const {
    Errors errors;
    if (!schema.is_object()) return errors;
    if (schema.contains("$ref")) return FollowRef(file, schema["$ref"], value, at);
    if (value.is_null() && schema.value("nullable", false)) return errors;
    if (schema.contains("type") && schema["type"].is_string() && !HasType(value, schema["type"])) {
      return {fmt::format("{}: {} is wanted, not {}", at, schema["type"].get<std::string>(),
                          value.dump())};
    }
    if (schema.contains("enum") &&
        std::ranges::find(schema["enum"], value) == schema["enum"].end()) {
      errors.push_back(fmt::format("{}: {} is none of the enumeration", at, value.dump()));
    }
    CheckBounds(schema, value, at, errors);
    CheckMembers(file, schema, value, at, errors);
    CheckCombinations(file, schema, value, at, errors);
    return errors;
  }

 private:
  Errors FollowRef(const std::string& file, const std::string& ref, const Json& value,
                   const std::string& at) const {
    const size_t hash = ref.find('#');
    std::string target = ref.substr(0, hash);
    const std::string pointer = hash == std::string::npos ? "" : ref.substr(hash + 1);
    target = target.empty() ? file : file.substr(0, file.rfind('/') + 1) + target;
    const Json* const document = Document(target);
    if (document == nullptr || !document->contains(Json::json_pointer(pointer))) return {};
    return Check(target, (*document)[Json::json_pointer(pointer)], value, at);
  }

  static void CheckBounds(const Json& schema, const Json& value, const std::string& at,
                          Errors& errors) {
    if (value.is_string()) {
      const size_t length = value.get_ref<const std::string&>().size();
      if (length < schema.value("minLength", size_t{0}) ||
          length > schema.value("maxLength", size_t{1} << 30)) {
        errors.push_back(fmt::format("{}: {} characters", at, length));
      }
    } else if (value.is_number()) {
      const double number = value;
      if (number < schema.value("minimum", number) || number > schema.value("maximum", number)) {
        errors.push_back(fmt::format("{}: {} is out of range", at, number));
      }
    }
  }

  void CheckMembers(const std::string& file, const Json& schema, const Json& value,
                    const std::string& at, Errors& errors) const {
    if (value.is_object()) {
      for (const Json& name : schema.value("required", Json::array())) {
        if (!value.contains(name.get<std::string>())) {
          errors.push_back(fmt::format("{}: without {}", at, name.get<std::string>()));
        }
      }
      const Json properties = schema.value("properties", Json::object());
      for (const auto& [name, member] : value.items()) {
        if (!properties.contains(name)) continue;
        Append(errors, Check(file, properties[name], member, at + "." + name));
      }
    }
    if (value.is_array() && schema.contains("items")) {
      for (size_t i = 0; i < value.size(); ++i) {
        Append(errors, Check(file, schema["items"], value[i], fmt::format("{}[{}]", at, i)));
      }
    }
  }

  void CheckCombinations(const std::string& file, const Json& schema, const Json& value,
                         const std::string& at, Errors& errors) const {
    for (const Json& part : schema.value("allOf", Json::array())) {
      Append(errors, Check(file, part, value, at));
    }
    for (const char* const any : {"anyOf", "oneOf"}) {
      if (!schema.contains(any)) continue;
      const bool one = std::ranges::any_of(
          schema[any], [&](const Json& part) { return Check(file, part, value, at).empty(); });
      if (!one) errors.push_back(fmt::format("{}: is none of {}", at, any));
    }
  }

  static void Append(Errors& errors, Errors more) {
    errors.insert(errors.end(), more.begin(), more.end());
  }
};

class XmlChecker {
 public:
  explicit XmlChecker(const Json& shapes) : shapes_(shapes) {}

  void Check(const std::string& name, const pugi::xml_node& node, const std::string& at,
             std::vector<std::string>& errors) const {
    const Json& shape = shapes_.at(name);
    const std::string type = shape.at("type");
    if (type == "structure") {
      CheckStructure(shape, node, at, errors);
    } else if (type == "list") {
      const std::string item = shape["member"].value("locationName", "member");
      size_t count = 0;
      for (const pugi::xml_node child : node.children()) {
        ++count;
        if (child.name() != item) errors.push_back(at + ": unknown " + child.name());
        Check(shape["member"]["shape"], child, at + "/" + item, errors);
      }
      if (count < shape.value("min", size_t{0})) errors.push_back(at + ": too few");
    } else {
      CheckText(shape, node.text().as_string(), at, errors);
    }
  }

 private:
  void CheckStructure(const Json& shape, const pugi::xml_node& node, const std::string& at,
                      std::vector<std::string>& errors) const {
    std::map<std::string, std::string> members;  // element name -> shape
    for (const auto& [member, about] : shape["members"].items()) {
      if (about.contains("location")) continue;  // in the path or the query
      members[about.value("locationName", member)] = about["shape"];
    }
    for (const pugi::xml_node child : node.children()) {
      const auto found = members.find(child.name());
      if (found == members.end()) {
        errors.push_back(at + ": unknown " + child.name());
        continue;
      }
      Check(found->second, child, at + "/" + child.name(), errors);
    }
    for (const Json& required : shape.value("required", Json::array())) {
      const Json& about = shape["members"][required.get<std::string>()];
      if (about.contains("location")) continue;
      const std::string element = about.value("locationName", required.get<std::string>());
      if (!node.child(element.c_str())) errors.push_back(at + ": without " + element);
    }
  }

  static void CheckText(const Json& shape, const std::string& text, const std::string& at,
                        std::vector<std::string>& errors) {
    const std::string type = shape["type"];
    if (type == "string") {
      if (text.size() > shape.value("max", size_t{1} << 30) ||
          text.size() < shape.value("min", size_t{0})) {
        errors.push_back(fmt::format("{}: {} characters", at, text.size()));
      }
      if (shape.contains("enum") &&
          std::ranges::find(shape["enum"], Json(text)) == shape["enum"].end()) {
        errors.push_back(at + ": " + text + " is none of the enumeration");
      }
    } else if (type == "long" || type == "integer") {
      const bool digits =
          !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
      if (!digits || std::stoll(text) > shape.value("max", int64_t{1} << 40)) {
        errors.push_back(at + ": " + text + " is no number in range");
      }
    }
  }

  const Json& shapes_;
};

}  // namespace

std::vector<std::string> CheckModel(const std::string& file, std::string_view pointer,
                                    const Json& value) {
  const Json* const document = Document(file);
  if (document == nullptr) return {};
  const Json& schema = pointer.empty() ? *document : document->at(std::string(pointer));
  return Checker().Check(file, schema, value, "body");
}

void ExpectModel(const std::string& file, std::string_view pointer, const Json& value) {
  for (const std::string& error : CheckModel(file, pointer, value)) {
    ADD_FAILURE() << file << " " << pointer << ": " << error;
  }
}

std::vector<std::string> CheckBotocoreXml(const std::string& file, const std::string& shape,
                                          std::string_view xml) {
  const Json* const document = Document(file);
  if (document == nullptr) return {};
  pugi::xml_document parsed;
  if (!parsed.load_buffer(xml.data(), xml.size())) return {"no XML"};
  std::vector<std::string> errors;
  if (parsed.document_element().name() != shape) errors.push_back("another root");
  XmlChecker(document->at("shapes")).Check(shape, parsed.document_element(), shape, errors);
  return errors;
}

}  // namespace dmarcate::testing_support
