#include "lib/mail/dkim_signature.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/syntax_error.h"
#include "lib/mailauth/tag_list.h"

namespace dmarcate {
namespace {

constexpr size_t kSha256Octets = 32;

// A defect, or OK: kInvalidArgument is kNeutral, kFailedPrecondition kPermError.
absl::Status Unreadable(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, message);
}
absl::Status Unusable(std::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, message);
}

// Digits only; what does not fit is the largest number.
template <typename Number>
absl::StatusOr<std::optional<Number>> ReadNumber(const TagList& tags, std::string_view name) {
  const auto text = tags.Find(name);
  if (!text.has_value()) return std::optional<Number>();
  if (text->empty() || !std::ranges::all_of(*text, IsDigit)) {
    return Unreadable(fmt::format("{}= is no number", name));
  }
  constexpr Number kMax = std::numeric_limits<Number>::max();
  Number number = 0;
  for (const char c : *text) {
    const auto digit = static_cast<Number>(c - '0');
    if (number > (kMax - digit) / 10) return std::optional<Number>(kMax);
    number = number * 10 + digit;
  }
  return std::optional<Number>(number);
}

absl::StatusOr<std::string> ReadBase64(const TagList& tags, std::string_view name) {
  const std::string text = WithoutFoldingBlanks(*tags.Find(name));
  auto octets = Base64Decode(text);
  if (!octets.ok() || octets->empty()) return Unreadable(fmt::format("{}= is not base64", name));
  return *std::move(octets);
}

absl::Status ReadAlgorithm(const TagList& tags, DkimSignature& out) {
  out.algorithm = EscapeForTerminal(tags.Find("a")->substr(0, 60));
  if (out.algorithm == "rsa-sha256") return absl::OkStatus();
  if (out.algorithm == "ed25519-sha256") {
    out.key_type = DkimKeyType::kEd25519;
    return absl::OkStatus();
  }
  if (out.algorithm == "rsa-sha1") {
    return Unusable("rsa-sha1 must not be accepted any more (RFC 8301 section 3.1)");
  }
  return Unusable(fmt::format("the algorithm {} is not known", Quoted(out.algorithm)));
}

absl::StatusOr<DkimCanonicalization> ReadCanonicalization(std::string_view name) {
  if (name == "simple") return DkimCanonicalization::kSimple;
  if (name == "relaxed") return DkimCanonicalization::kRelaxed;
  return Unusable(fmt::format("the canonicalization {} is not known", Quoted(name)));
}

absl::Status ReadCanonicalizations(const TagList& tags, DkimSignature& out) {
  const auto text = tags.Find("c");
  if (!text.has_value()) return absl::OkStatus();
  const size_t slash = text->find('/');
  DMARCATE_ASSIGN_OR_RETURN(out.header, ReadCanonicalization(text->substr(0, slash)));
  if (slash == std::string_view::npos) return absl::OkStatus();
  DMARCATE_ASSIGN_OR_RETURN(out.body, ReadCanonicalization(text->substr(slash + 1)));
  return absl::OkStatus();
}

absl::Status ReadFields(const TagList& tags, DkimSignature& out) {
  for (const std::string& name : ParseColonList(*tags.Find("h"))) {
    const bool ok =
        !name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c < '\x7f'; });
    if (!ok) return Unreadable("h= is no list of field names");
    out.fields.push_back(AsciiLower(name));
  }
  if (std::ranges::find(out.fields, "from") == out.fields.end()) {
    return Unusable("h= does not name From");
  }
  return absl::OkStatus();
}

absl::Status ReadIdentity(const TagList& tags, DkimSignature& out) {
  out.identity_domain = out.domain;
  const auto text = tags.Find("i");
  if (!text.has_value()) return absl::OkStatus();
  const size_t at = text->rfind('@');
  if (at == std::string_view::npos) return Unreadable("i= has no @");
  auto domain = DomainName::Parse(TrimFoldingBlanks(text->substr(at + 1)));
  if (!domain.ok()) return Unreadable("i= has no domain");
  out.identity_domain = *std::move(domain);
  if (!out.identity_domain.IsAtOrBelow(out.domain)) {
    return Unusable("the domain of i= is not within d=");
  }
  return absl::OkStatus();
}

absl::Status ReadKeyName(const TagList& tags, DkimSignature& out) {
  auto domain = DomainName::Parse(*tags.Find("d"));
  if (!domain.ok() || domain->IsRoot()) return Unreadable("d= is no domain");
  out.domain = *std::move(domain);
  const std::string_view selector = *tags.Find("s");
  auto name = out.domain.Child(fmt::format("{}._domainkey", selector));
  if (!name.ok() || selector.empty()) return Unreadable("s= is no selector");
  out.key_name = *std::move(name);
  out.selector = AsciiLower(selector);
  return absl::OkStatus();
}

absl::Status ReadQueryMethods(const TagList& tags) {
  const auto text = tags.Find("q");
  if (!text.has_value()) return absl::OkStatus();
  for (const std::string& method : ParseColonList(*text)) {
    if (method == "dns/txt" || method == "dns") return absl::OkStatus();
  }
  return Unusable("q= names no way to the key but ones that are not known");
}

absl::Status ReadTimes(const TagList& tags, DkimSignature& out) {
  DMARCATE_ASSIGN_OR_RETURN(out.signed_at, ReadNumber<int64_t>(tags, "t"));
  DMARCATE_ASSIGN_OR_RETURN(out.expires_at, ReadNumber<int64_t>(tags, "x"));
  if (out.signed_at && out.expires_at && *out.expires_at <= *out.signed_at) {
    return Unusable("it expires (x=) before it was made (t=)");
  }
  return absl::OkStatus();
}

absl::Status Read(std::string_view value, DkimSignature& out) {
  DMARCATE_ASSIGN_OR_RETURN(const TagList tags, ParseTagList(value, "signature"));
  const auto version = tags.Find("v");
  if (version.has_value() && *version != "1") return Unusable("v= is not 1");
  for (const std::string_view name : {"v", "a", "b", "bh", "d", "h", "s"}) {
    if (!tags.Find(name).has_value()) return Unusable(fmt::format("{}= is missing", name));
  }
  DMARCATE_RETURN_IF_ERROR(ReadKeyName(tags, out));
  DMARCATE_RETURN_IF_ERROR(ReadAlgorithm(tags, out));
  DMARCATE_RETURN_IF_ERROR(ReadCanonicalizations(tags, out));
  DMARCATE_RETURN_IF_ERROR(ReadFields(tags, out));
  DMARCATE_RETURN_IF_ERROR(ReadIdentity(tags, out));
  DMARCATE_RETURN_IF_ERROR(ReadQueryMethods(tags));
  DMARCATE_RETURN_IF_ERROR(ReadTimes(tags, out));
  DMARCATE_ASSIGN_OR_RETURN(out.body_length, ReadNumber<uint64_t>(tags, "l"));
  DMARCATE_ASSIGN_OR_RETURN(out.signature, ReadBase64(tags, "b"));
  DMARCATE_ASSIGN_OR_RETURN(out.body_hash, ReadBase64(tags, "bh"));
  if (out.body_hash.size() != kSha256Octets) return Unreadable("bh= is no SHA-256 hash");
  // The trimmed value is not empty, so `=` and the semicolon are what surrounds it.
  const auto begin = static_cast<size_t>(tags.Find("b")->data() - value.data());
  out.b_begin = value.rfind('=', begin - 1) + 1;
  out.b_end = std::min(value.find(';', begin), value.size());
  return absl::OkStatus();
}

}  // namespace

DkimSignature ParseDkimSignature(std::string_view value) {
  DkimSignature out;
  const absl::Status status = Read(value, out);
  if (!status.ok()) {
    out.defect = status.code() == absl::StatusCode::kFailedPrecondition ? DkimResult::kPermError
                                                                        : DkimResult::kNeutral;
    out.reason = EscapeForTerminal(MessageOf(status));
  }
  return out;
}

}  // namespace dmarcate
