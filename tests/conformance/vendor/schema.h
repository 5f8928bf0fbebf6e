// tests/conformance/vendor/schema.h
// Holds bodies against the vendors' own descriptions in the shared corpus provider-apis. Where the
// corpus is not at hand nothing is checked; schema_test.cc skips itself then, and says so.

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_SCHEMA_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_SCHEMA_H_

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace dmarcate::testing_support {

// OpenAPI 3 and JSON Schema as far as the corpus uses them: type, nullable, required, properties,
// items, enum, allOf, anyOf, oneOf, minLength, maxLength, minimum, maximum, $ref (in a document,
// and to a file beside it). What a vendor's text leaves unresolved allows anything.
//
// What is wrong with `value`, one line each; `file` is a path in provider-apis, `pointer` the
// member of its root that is the schema ("" for the root).
std::vector<std::string> CheckModel(const std::string& file, std::string_view pointer,
                                    const nlohmann::json& value);
// The same as test failures.
void ExpectModel(const std::string& file, std::string_view pointer, const nlohmann::json& value);

// A request's XML body against the shapes of botocore's service description: element names, their
// order, what is required, enumerations and lengths.
std::vector<std::string> CheckBotocoreXml(const std::string& file, const std::string& shape,
                                          std::string_view xml);

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_SCHEMA_H_
