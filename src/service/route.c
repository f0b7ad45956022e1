/* route.c - every way in: which call it is, over gRPC and over HTTP, and who takes it.
 *
 * Happy path: a gRPC request (told by its content type) is looked up by its path; any other by
 * method and pattern, where "{}" stands for one segment. The first pattern that fits decides what
 * the resource is. Refused: no pattern fits (NOT_FOUND, gRPC UNIMPLEMENTED), none of the resource's
 * methods is the request's (METHOD_NOT_ALLOWED, with those that are; to OPTIONS they are the
 * answer), gRPC over HTTP/1 or with another message format (UNSUPPORTED_MEDIA_TYPE).
 */
#include <stdio.h>
#include <string.h>

#include "service/service_internal.h"

#define INVENTORY     "/tally.v1.Inventory/"
#define SALES         "/tally.v1.Sales/"
#define REQUEST(name) .request = &tally__v1__##name##_request__descriptor

static const struct route routes[] = {
    {.call = CALL_RESERVE,
     .grpc_path = STR(INVENTORY "Reserve"),
     .method = HTTP_POST,
     .pattern = STR("/v1/reservations"),
     .writes = true,
     REQUEST(reserve),
     .start = reserve_start},
    {.call = CALL_CONFIRM,
     .grpc_path = STR(INVENTORY "Confirm"),
     .method = HTTP_POST,
     .pattern = STR("/v1/reservations/{}/confirm"),
     .parameter = "reservation_id",
     .writes = true,
     REQUEST(confirm),
     .start = confirm_start},
    {.call = CALL_REFUND,
     .grpc_path = STR(INVENTORY "Refund"),
     .method = HTTP_POST,
     .pattern = STR("/v1/reservations/{}/refund"),
     .parameter = "reservation_id",
     .writes = true,
     REQUEST(refund),
     .start = refund_start},
    {.call = CALL_EXTEND,
     .grpc_path = STR(INVENTORY "Extend"),
     .method = HTTP_POST,
     .pattern = STR("/v1/reservations/{}/extend"),
     .parameter = "reservation_id",
     .writes = true,
     REQUEST(extend),
     .start = extend_start},
    {.call = CALL_SHIP,
     .grpc_path = STR(INVENTORY "Ship"),
     .method = HTTP_POST,
     .pattern = STR("/v1/reservations/{}/ship"),
     .parameter = "reservation_id",
     .writes = true,
     REQUEST(ship),
     .start = ship_start},
    {.call = CALL_CHANGE_RESERVATION,
     .grpc_path = STR(INVENTORY "ChangeReservation"),
     .method = HTTP_POST,
     .pattern = STR("/v1/reservations/{}/lines"),
     .parameter = "reservation_id",
     .writes = true,
     REQUEST(change_reservation),
     .start = change_reservation_start},
    {.call = CALL_CONFIRM,
     .method = HTTP_POST,
     .pattern = STR("/v1/orders/{}/confirm"),
     .parameter = "order_id",
     .writes = true,
     REQUEST(confirm),
     .start = confirm_start},
    {.call = CALL_REFUND,
     .method = HTTP_POST,
     .pattern = STR("/v1/orders/{}/refund"),
     .parameter = "order_id",
     .writes = true,
     REQUEST(refund),
     .start = refund_start},
    {.call = CALL_EXTEND,
     .method = HTTP_POST,
     .pattern = STR("/v1/orders/{}/extend"),
     .parameter = "order_id",
     .writes = true,
     REQUEST(extend),
     .start = extend_start},
    {.call = CALL_SHIP,
     .method = HTTP_POST,
     .pattern = STR("/v1/orders/{}/ship"),
     .parameter = "order_id",
     .writes = true,
     REQUEST(ship),
     .start = ship_start},
    {.call = CALL_CHANGE_RESERVATION,
     .method = HTTP_POST,
     .pattern = STR("/v1/orders/{}/lines"),
     .parameter = "order_id",
     .writes = true,
     REQUEST(change_reservation),
     .start = change_reservation_start},
    {.call = CALL_CONFIRM_ALL,
     .grpc_path = STR(INVENTORY "ConfirmAll"),
     .method = HTTP_POST,
     .pattern = STR("/v1/reservations/confirm"),
     .writes = true,
     REQUEST(confirm_all),
     .start = confirm_all_start},
    {.call = CALL_LIST_RESERVATIONS,
     .grpc_path = STR(INVENTORY "ListReservations"),
     .method = HTTP_GET,
     .pattern = STR("/v1/reservations"),
     .query = "user_id,lot,status,sale_id,page_size,page_token",
     REQUEST(list_reservations),
     .start = list_reservations_start},
    {.call = CALL_RESERVE_BATCH,
     .grpc_path = STR(INVENTORY "ReserveBatch"),
     .method = HTTP_POST,
     .pattern = STR("/v1/reservations/batch"),
     .writes = true,
     REQUEST(reserve_batch),
     .start = reserve_batch_start},
    {.call = CALL_GET_RESERVATION,
     .grpc_path = STR(INVENTORY "GetReservation"),
     .method = HTTP_GET,
     .pattern = STR("/v1/reservations/{}"),
     .parameter = "reservation_id",
     REQUEST(get_reservation),
     .start = get_reservation_start},
    {.call = CALL_GET_RESERVATION,
     .method = HTTP_GET,
     .pattern = STR("/v1/orders/{}"),
     .parameter = "order_id",
     REQUEST(get_reservation),
     .start = get_reservation_start},
    {.call = CALL_CREATE_LOT,
     .grpc_path = STR(INVENTORY "CreateLot"),
     .method = HTTP_POST,
     .pattern = STR("/v1/lots"),
     .writes = true,
     REQUEST(create_lot),
     .start = create_lot_start},
    {.call = CALL_LIST_LOTS,
     .grpc_path = STR(INVENTORY "ListLots"),
     .method = HTTP_GET,
     .pattern = STR("/v1/lots"),
     .query = "sku,flavor,size,page_size,page_token",
     REQUEST(list_lots),
     .start = list_lots_start},
    {.call = CALL_IMPORT_LOTS,
     .method = HTTP_POST,
     .pattern = STR("/v1/lots/import"),
     .query = "mode,dry_run,existing_only,ignore_other_columns",
     .writes = true,
     .open = import_lots_open},
    {.call = CALL_GET_LOT,
     .grpc_path = STR(INVENTORY "GetLot"),
     .method = HTTP_GET,
     .pattern = STR("/v1/lots/{}"),
     .parameter = "lot",
     .query = "consistency",
     REQUEST(get_lot),
     .start = get_lot_start},
    {.call = CALL_UPDATE_LOT,
     .grpc_path = STR(INVENTORY "UpdateLot"),
     .method = HTTP_PATCH,
     .pattern = STR("/v1/lots/{}"),
     .parameter = "lot",
     .writes = true,
     REQUEST(update_lot),
     .start = update_lot_start},
    {.call = CALL_ADJUST_STOCK,
     .grpc_path = STR(INVENTORY "AdjustStock"),
     .method = HTTP_POST,
     .pattern = STR("/v1/lots/{}/adjust"),
     .parameter = "lot",
     .writes = true,
     REQUEST(adjust_stock),
     .start = adjust_stock_start},
    {.call = CALL_WATCH,
     .grpc_path = STR(INVENTORY "Watch"),
     .method = HTTP_GET,
     .pattern = STR("/v1/watch"),
     .query = "sku",
     REQUEST(watch),
     .open = watch_open},
    {.call = CALL_EVENTS,
     .grpc_path = STR(INVENTORY "Events"),
     .method = HTTP_GET,
     .pattern = STR("/v1/events"),
     .query = "after",
     REQUEST(events),
     .open = events_open},
    {.call = CALL_OTHER,
     .grpc_path = STR(INVENTORY "ListWebhookFailures"),
     .method = HTTP_GET,
     .pattern = STR("/v1/webhook/failures"),
     .query = "page_size,page_token",
     REQUEST(list_webhook_failures),
     .open = webhook_failures_open},
    {.call = CALL_OTHER,
     .grpc_path = STR(INVENTORY "RetryWebhook"),
     .method = HTTP_POST,
     .pattern = STR("/v1/webhook/retry"),
     .writes = true,
     REQUEST(retry_webhook),
     .open = webhook_retry_open},
    {.call = CALL_CREATE_SALE,
     .grpc_path = STR(SALES "CreateSale"),
     .method = HTTP_POST,
     .pattern = STR("/v1/sales"),
     .writes = true,
     REQUEST(create_sale),
     .start = create_sale_start},
    {.call = CALL_LIST_SALES,
     .grpc_path = STR(SALES "ListSales"),
     .method = HTTP_GET,
     .pattern = STR("/v1/sales"),
     .query = "page_size,page_token",
     REQUEST(list_sales),
     .start = list_sales_start},
    {.call = CALL_GET_SALE,
     .grpc_path = STR(SALES "GetSale"),
     .method = HTTP_GET,
     .pattern = STR("/v1/sales/{}"),
     .parameter = "sale_id",
     REQUEST(get_sale),
     .start = get_sale_start},
    {.call = CALL_UPDATE_SALE,
     .grpc_path = STR(SALES "UpdateSale"),
     .method = HTTP_PATCH,
     .pattern = STR("/v1/sales/{}"),
     .parameter = "sale_id",
     .writes = true,
     REQUEST(update_sale),
     .start = update_sale_start},
    {.call = CALL_CLOSE_SALE,
     .grpc_path = STR(SALES "CloseSale"),
     .method = HTTP_POST,
     .pattern = STR("/v1/sales/{}/close"),
     .parameter = "sale_id",
     .writes = true,
     REQUEST(close_sale),
     .start = close_sale_start},
    {.call = CALL_WATCH_SALE,
     .grpc_path = STR(SALES "WatchSale"),
     .method = HTTP_GET,
     .pattern = STR("/v1/sales/{}/watch"),
     .parameter = "sale_id",
     REQUEST(watch_sale),
     .start = watch_sale_start},
    {.call = CALL_OPEN_GROUP,
     .grpc_path = STR(SALES "OpenGroup"),
     .method = HTTP_POST,
     .pattern = STR("/v1/sales/{}/groups"),
     .parameter = "sale_id",
     .writes = true,
     REQUEST(open_group),
     .start = open_group_start},
    {.call = CALL_GET_GROUP,
     .grpc_path = STR(SALES "GetGroup"),
     .method = HTTP_GET,
     .pattern = STR("/v1/groups/{}"),
     .parameter = "group_id",
     REQUEST(get_group),
     .start = get_group_start},
    {.call = CALL_COMPLETE_GROUP,
     .grpc_path = STR(SALES "CompleteGroup"),
     .method = HTTP_POST,
     .pattern = STR("/v1/groups/{}/complete"),
     .parameter = "group_id",
     .writes = true,
     REQUEST(complete_group),
     .start = complete_group_start},
    {.call = CALL_JOIN_QUEUE,
     .grpc_path = STR(SALES "JoinQueue"),
     .method = HTTP_POST,
     .pattern = STR("/v1/sales/{}/queue"),
     .parameter = "sale_id",
     REQUEST(join_queue),
     .start = join_queue_start},
    {.call = CALL_GET_TICKET,
     .grpc_path = STR(SALES "GetTicket"),
     .method = HTTP_GET,
     .pattern = STR("/v1/queue/{}"),
     .parameter = "ticket",
     REQUEST(get_ticket),
     .start = get_ticket_start},
    {.call = CALL_HEALTH,
     .grpc_path = STR("/grpc.health.v1.Health/Check"),
     .always = true,
     .vital = true,
     .open = health_check},
    {.call = CALL_HEALTH,
     .grpc_path = STR("/grpc.health.v1.Health/Watch"),
     .always = true,
     .vital = true,
     .open = health_watch},
    {.call = CALL_REFLECTION,
     .grpc_path = STR("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
     .open = reflection_open},
    {.call = CALL_REFLECTION,
     .grpc_path = STR("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"),
     .open = reflection_open},
    {.call = CALL_METRICS,
     .method = HTTP_GET,
     .pattern = STR("/metrics"),
     .always = true,
     .vital = true,
     .open = metrics_open},
    {.call = CALL_HEALTH,
     .method = HTTP_GET,
     .pattern = STR("/livez"),
     .always = true,
     .vital = true,
     .open = livez_open},
    {.call = CALL_HEALTH,
     .method = HTTP_GET,
     .pattern = STR("/readyz"),
     .always = true,
     .vital = true,
     .open = readyz_open},
    {.call = CALL_OTHER,
     .method = HTTP_GET,
     .pattern = STR("/openapi.yaml"),
     .always = true,
     .open = openapi_open},
};

enum { ROUTE_COUNT = sizeof routes / sizeof routes[0] };

/* The character that stands at `at`, which moves on: a percent-encoded one that need not be encoded
 * is the same as the plain one (RFC 3986, 6.2.2.2). Any other '%' is itself. */
static char path_char(struct str path, uint32_t *at)
{
    char c = path.p[(*at)++];
    int high = c == '%' && *at + 1 < path.len ? hex_digit(path.p[*at]) : -1;
    int low = high >= 0 ? hex_digit(path.p[*at + 1]) : -1;
    char decoded = (char)(high * 16 + low);
    if (low < 0 || !((decoded >= '0' && decoded <= '9') || (decoded >= 'A' && decoded <= 'Z') ||
                     (decoded >= 'a' && decoded <= 'z') || (decoded && strchr("-._~", decoded))))
        return c;
    *at += 2;
    return decoded;
}

/* True if the path has the pattern's form; the segment at "{}" goes to `parameter`, as
 * it was sent. */
static bool pattern_fits(struct str pattern, struct str path, struct str *parameter)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < pattern.len; i++) {
        if (pattern.p[i] == '{') {
            uint32_t from = at;
            while (at < path.len && path.p[at] != '/')
                at++;
            if (at == from)
                return false;
            *parameter = (struct str){path.p + from, at - from};
            i++;
        } else if (at >= path.len || path_char(path, &at) != pattern.p[i]) {
            return false;
        }
    }
    return at == path.len;
}

static const char *method_name(enum http_method method)
{
    return method == HTTP_POST    ? "POST"
           : method == HTTP_PATCH ? "PATCH"
                                  : "GET, HEAD"; /* what has a GET has a HEAD */
}

static int find_grpc(const struct exchange *x, struct origin *o, char allow[64], struct error *e)
{
    struct str type = x->headers[HEADER_content_type];
    if (x->protocol == PROTOCOL_HTTP1)
        return error_set(e, TLY_EUNSUPPORTED_MEDIA_TYPE, "content-type",
                         "content-type: gRPC needs HTTP/2");
    if (!media_is_grpc_proto(type))
        return error_set(e, TLY_EUNSUPPORTED_MEDIA_TYPE, "content-type",
                         "content-type: must be application/grpc or application/grpc+proto, "
                         "is \"%.*s\"",
                         (int)(type.len < 80 ? type.len : 80), type.p);
    if (x->method != HTTP_POST) {
        memcpy(allow, "POST", sizeof "POST");
        return error_set(e, TLY_EMETHOD_NOT_ALLOWED, "", "a gRPC call is a POST");
    }
    o->grpc = true;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (routes[i].grpc_path.len && str_equal(routes[i].grpc_path, x->path)) {
            o->route = &routes[i];
            return 0;
        }
    }
    return error_set(e, TLY_EUNIMPLEMENTED, "", "there is no such method");
}

static int find_http(const struct exchange *x, struct origin *o, char allow[64], struct error *e)
{
    enum http_method method = x->method == HTTP_HEAD ? HTTP_GET : (enum http_method)x->method;
    const struct route *fitting = NULL;
    size_t length = 0;
    if (x->method == HTTP_OPTIONS && str_equal(x->path, STR("*"))) {
        snprintf(allow, 64, "GET, HEAD, POST, PATCH, OPTIONS");
        return error_set(e, TLY_EMETHOD_NOT_ALLOWED, "", "the server takes %s", allow);
    }
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        const struct route *r = &routes[i];
        if (r->pattern.len == 0)
            continue;
        if (fitting ? !str_equal(fitting->pattern, r->pattern)
                    : !pattern_fits(r->pattern, x->path, &o->parameter))
            continue;
        if (r->method == method) {
            o->route = r;
            return 0;
        }
        fitting = r;
        length += (size_t)snprintf(allow + length, 64 - length, "%s%s", length ? ", " : "",
                                   method_name(r->method));
    }
    if (fitting) {
        snprintf(allow + length, 64 - length, ", OPTIONS");
        return error_set(e, TLY_EMETHOD_NOT_ALLOWED, "", "the resource takes %s", allow);
    }
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (routes[i].grpc_path.len && str_equal(routes[i].grpc_path, x->path))
            return error_set(e, TLY_EUNSUPPORTED_MEDIA_TYPE, "content-type",
                             "content-type: this path takes application/grpc over HTTP/2");
    }
    return error_set(e, TLY_ENOT_FOUND, "", "there is no such resource");
}

int route_find(const struct exchange *x, struct origin *o, char allow[64], struct error *e)
{
    allow[0] = 0;
    if (media_is_grpc(x->headers[HEADER_content_type]))
        return find_grpc(x, o, allow, e);
    return find_http(x, o, allow, e);
}
