#include "tests/conformance/vendor/google_server.h"

#include <algorithm>
#include <memory>

#include "fmt/format.h"
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "lib/base/digest.h"
#include "lib/base/freer.h"
#include "lib/base/text.h"

namespace dmarcate::testing_support {
namespace {

using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;

std::string Pem(EVP_PKEY* key, bool is_private) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (is_private) {
    PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  } else {
    PEM_write_bio_PUBKEY(bio.get(), key);
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

std::string FromBase64Url(std::string text) {
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  while (text.size() % 4 != 0) text += '=';
  return Base64Decode(text).value_or("");
}

bool Verifies(const std::string& public_pem, const std::string& text,
              const std::string& signature) {
  const Bio bio(BIO_new_mem_buf(public_pem.data(), static_cast<int>(public_pem.size())));
  const Key key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  const Digest digest(EVP_MD_CTX_new());
  return EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
         EVP_DigestVerify(digest.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                          signature.size(), reinterpret_cast<const unsigned char*>(text.data()),
                          text.size()) == 1;
}

constexpr char kToken[] = "ya29.c-0123456789abcdef";

}  // namespace

const GoogleKeys& MakeGoogleKeys() {
  static const GoogleKeys& keys = *[] {
    auto* const made = new GoogleKeys;
    const Key right(EVP_RSA_gen(2048)), wrong(EVP_RSA_gen(2048));
    const auto file = [](const std::string& pem) {
      return Json{{"type", "service_account"},
                  {"project_id", "mail-dns"},
                  {"private_key_id", "0123456789abcdef"},
                  {"private_key", pem},
                  {"client_email", "dmarcate@mail-dns.iam.gserviceaccount.com"},
                  {"token_uri", "https://oauth2.googleapis.com/token"}}
          .dump();
    };
    made->right_pem = Pem(right.get(), true);
    made->right = file(made->right_pem);
    made->wrong = file(Pem(wrong.get(), true));
    made->public_pem = Pem(right.get(), false);
    return made;
  }();
  return keys;
}

VendorServer::Kind GoogleServer::KindOf(const VendorRequest& request) const {
  const bool changes = request.method == "POST" && request.path.ends_with("/changes");
  return changes ? Kind::kWrite : Kind::kRead;
}

HttpResponse GoogleServer::Error(int status, std::string_view reason,
                                 std::string_view message) const {
  const Json one = {
      {"domain", "global"}, {"reason", std::string(reason)}, {"message", std::string(message)}};
  return JsonResponse(
      status,
      {{"error",
        {{"code", status}, {"message", std::string(message)}, {"errors", Json::array({one})}}}});
}

HttpResponse GoogleServer::ErrorResponse(int status, std::string_view message) const {
  const std::string_view reason = status == 401   ? "authError"
                                  : status == 403 ? "forbidden"
                                  : status == 404 ? "notFound"
                                  : status == 409 ? "alreadyExists"
                                  : status == 412 ? "conditionNotMet"
                                  : status == 429 ? "rateLimitExceeded"
                                  : status >= 500 ? "backendError"
                                                  : "invalid";
  return Error(status, reason, message);
}

HttpResponse GoogleServer::Token(const VendorRequest& request) {
  if (request.method != "POST" ||
      request.Header("Content-Type") != "application/x-www-form-urlencoded") {
    return NotUnderstood(request, "a form is wanted");
  }
  std::map<std::string, std::string> form;
  for (const std::string_view pair : Split(request.body, '&')) {
    const size_t equals = pair.find('=');
    form[std::string(pair.substr(0, equals))] = PercentDecode(pair.substr(equals + 1));
  }
  if (form["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer") {
    return NotUnderstood(request, "another grant");
  }
  const std::string assertion = form["assertion"];
  const size_t dot = assertion.rfind('.');
  const std::string signed_text = assertion.substr(0, dot);
  const Json header = Json::parse(FromBase64Url(signed_text.substr(0, signed_text.find('.'))));
  const Json claims = Json::parse(FromBase64Url(signed_text.substr(signed_text.find('.') + 1)));
  if (header.at("alg") != "RS256" || header.at("typ") != "JWT" ||
      claims.at("scope") != "https://www.googleapis.com/auth/ndev.clouddns.readwrite" ||
      claims.at("aud") != "https://oauth2.googleapis.com/token" ||
      claims.at("exp").get<int64_t>() > claims.at("iat").get<int64_t>() + 3600) {
    return NotUnderstood(request, "claims " + claims.dump());
  }
  if (!Verifies(public_pem_, signed_text, FromBase64Url(assertion.substr(dot + 1)))) {
    return JsonResponse(
        400, {{"error", "invalid_grant"}, {"error_description", "Invalid JWT Signature."}});
  }
  ++tokens_;
  return JsonResponse(200,
                      {{"access_token", kToken}, {"expires_in", 3599}, {"token_type", "Bearer"}});
}

HttpResponse GoogleServer::Serve(const VendorRequest& request) {
  if (request.origin == "https://oauth2.googleapis.com" && request.path == "/token") {
    return Token(request);
  }
  if (request.origin != "https://dns.googleapis.com" ||
      !request.path.starts_with("/dns/v1/projects/mail-dns/managedZones")) {
    return NotUnderstood(request, "no such API");
  }
  if (request.Header("Authorization") != std::string("Bearer ") + kToken) {
    return ErrorResponse(401, "Invalid Credentials");
  }
  const std::vector<std::string> at(request.segments.begin() + 5, request.segments.end());
  if (at.empty() && request.method == "GET") {
    if (!HasQuery(request, {"maxResults", "[dnsName]", "[pageToken]"})) {
      return ErrorResponse(400, "query");
    }
    Json all = Json::array();
    for (const VendorZone& zone : zones_) {
      if (request.query.contains("dnsName") && request.Query("dnsName") != zone.name.ToFqdn()) {
        continue;
      }
      Json shown = {{"name", zone.id}, {"dnsName", zone.name.ToFqdn()}, {"visibility", "public"}};
      shown.update(zone.extra);
      all.push_back(shown);
    }
    return Page(request, "managedZones", all);
  }
  if (at.empty()) return NotUnderstood(request, "no such method here");
  constexpr std::string_view kAsk = ":testIamPermissions";
  if (at.size() == 1 && at[0].ends_with(kAsk) && request.method == "POST") {
    Json held = Json::array();
    const Json asked = Json::parse(request.body);
    for (const Json& right : asked.at("permissions")) {
      if (std::ranges::find(rights_, right.get<std::string>()) != rights_.end()) {
        held.push_back(right);
      }
    }
    return JsonResponse(200, {{"permissions", held}});
  }
  VendorZone* const zone = ZoneById(at[0]);
  if (zone == nullptr) return ErrorResponse(404, "The 'parameters.managedZone' was not found");
  if (records_forbidden()) return ErrorResponse(403, "Forbidden");
  if (at.size() == 2 && at[1] == "rrsets" && request.method == "GET") return Sets(request, *zone);
  if (at.size() == 2 && at[1] == "changes" && request.method == "POST") {
    return Change(request, *zone);
  }
  if (at.size() == 3 && at[1] == "changes" && request.method == "GET") {
    return JsonResponse(200, {{"id", at[2]}, {"status", "done"}});
  }
  return NotUnderstood(request, "no such method here");
}

HttpResponse GoogleServer::Page(const VendorRequest& request, const char* member,
                                const Json& all) const {
  const size_t size = PageSize(std::stoul(request.Query("maxResults")));
  const std::string token = request.Query("pageToken");
  const size_t begin = token.empty() ? 0 : std::stoul(token);
  Json out = {{"kind", "dns#list"}};
  if (!all.empty()) out[member] = Json::array();
  for (size_t i = begin; i < std::min(all.size(), begin + size); ++i) out[member].push_back(all[i]);
  if (begin + size < all.size()) out["nextPageToken"] = std::to_string(begin + size);
  return JsonResponse(200, out);
}

Json GoogleServer::Stored(const VendorZone& zone, const DomainName& owner) const {
  Json set;
  for (const VendorRecord& record : zone.records) {
    if (record.owner != owner || record.type != "TXT") continue;
    if (set.is_null()) {
      set = {{"name", owner.ToFqdn()}, {"type", "TXT"}, {"ttl", record.ttl}};
      set["rrdatas"] = Json::array();
    }
    set["rrdatas"].push_back(record.raw.empty() ? TxtRecord{record.strings}.ToPresentation()
                                                : record.raw);
  }
  return set;
}

HttpResponse GoogleServer::Sets(const VendorRequest& request, const VendorZone& zone) const {
  if (!HasQuery(request, {"name", "type", "maxResults", "[pageToken]"})) {
    return ErrorResponse(400, "query");
  }
  const Json set = Stored(zone, DomainName::Parse(request.Query("name")).value());
  return Page(request, "rrsets", set.is_null() ? Json::array() : Json::array({set}));
}

HttpResponse GoogleServer::Change(const VendorRequest& request, VendorZone& zone) {
  const Json in = Json::parse(request.body);
  VendorZone copy = zone;  // one transaction
  const auto sorted = [](Json set) {
    std::sort(set["rrdatas"].begin(), set["rrdatas"].end());
    return set;
  };
  for (const char* const part : {"deletions", "additions"}) {
    if (!in.contains(part)) continue;
    for (const Json& set : in[part]) {
      const DomainName owner = DomainName::Parse(set.at("name").get<std::string>()).value();
      if (set.at("type") != "TXT" || set.at("rrdatas").empty() ||
          !set.at("name").get<std::string>().ends_with('.')) {
        return NotUnderstood(request, "a set of another form");
      }
      const Json stored = Stored(copy, owner);
      const std::string what = fmt::format("entity.change.{}[0]", part);
      if (part[0] == 'd') {
        if (stored.is_null()) {
          return Error(404, "notFound", "The '" + what + "' resource does not exist");
        }
        if (sorted(stored) != sorted(set)) {
          return Error(412, "conditionNotMet", "Precondition not met for '" + what + "'");
        }
        std::erase_if(copy.records, [&](const VendorRecord& record) {
          return record.owner == owner && record.type == "TXT";
        });
        continue;
      }
      if (!stored.is_null()) {
        return Error(409, "alreadyExists", "The resource '" + what + "' already exists");
      }
      if (IsAlias(copy, owner)) {
        return Error(409, "cnameResourceRecordSetConflict",
                     "The '" + what + "' is invalid because the DNS name has a CNAME");
      }
      for (const Json& value : set["rrdatas"]) {
        VendorRecord record{.id = MakeRecordId(), .owner = owner, .ttl = set.at("ttl")};
        const auto parsed = ParseTxtPresentation(value.get<std::string>());
        if (parsed.ok()) {
          record.strings = parsed->strings;
        } else {
          record.raw = value;  // what was there before goes on
        }
        copy.records.push_back(record);
      }
    }
  }
  zone = copy;
  Changed();
  return JsonResponse(200, {{"id", NextId()}, {"status", "pending"}, {"kind", "dns#change"}});
}

}  // namespace dmarcate::testing_support
