// dmarcate.v1.CatalogueService: catalogue.proto says what each method promises.

#ifndef DMARCATE_POLICYD_SERVICE_CATALOGUE_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_CATALOGUE_SERVICE_H_

#include <memory>

#include "policyd/service/catalogue_book.h"
#include "policyd/service/catalogue_desk.h"
#include "policyd/service/handler.h"

namespace grpc {
class Service;
}

namespace dmarcate {

// `desk` writes into `book`. Both outlive the service.
std::unique_ptr<grpc::Service> MakeCatalogueService(const ServiceParts& parts,
                                                    const CatalogueBook& book, CatalogueDesk& desk);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_CATALOGUE_SERVICE_H_
