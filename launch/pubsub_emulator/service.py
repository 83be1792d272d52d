"""Google's Pub/Sub API over a broker: each request becomes one call, each error one gRPC status.

Messages are the protobuf classes beneath `google.pubsub_v1`'s own types: wrapping each message in proto-plus
would cost several times the work of delivering it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import grpc
from google.protobuf import empty_pb2
from google.pubsub_v1 import types

from launch.pubsub_emulator.broker import MIN_ACK_DEADLINE_SECONDS, Broker, Subscription, Topic
from launch.pubsub_emulator.errors import EmulatorError, InvalidArgumentError, UnsupportedError
from launch.pubsub_emulator.messages import Content, Received

MAX_PAGE_SIZE = 1000

_Topic = types.Topic.pb()
_Subscription = types.Subscription.pb()
_ReceivedMessage = types.ReceivedMessage.pb()
_TOPIC_FIELDS = frozenset({"name", "labels"})
_SUBSCRIPTION_FIELDS = frozenset({"name", "topic", "labels", "ack_deadline_seconds"})
# Set by the service in its answers; clients send it back in copies, and the service then ignores it.
_OUTPUT_ONLY_FIELDS = frozenset({"state"})


class PublisherService:
    """`google.pubsub.v1.Publisher`."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def handler(self) -> grpc.GenericRpcHandler[Any, Any]:
        methods = {
            "CreateTopic": unary(self.create_topic, types.Topic),
            "GetTopic": unary(self.get_topic, types.GetTopicRequest),
            "ListTopics": unary(self.list_topics, types.ListTopicsRequest),
            "ListTopicSubscriptions": unary(self.list_topic_subscriptions, types.ListTopicSubscriptionsRequest),
            "DeleteTopic": unary(self.delete_topic, types.DeleteTopicRequest),
            "Publish": unary(self.publish, types.PublishRequest),
        }
        return grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", methods)

    def create_topic(self, request: Any) -> Any:
        _refuse_unsupported_fields(request, _TOPIC_FIELDS, "a topic")
        self._broker.create_topic(Topic(request.name, dict(request.labels)))
        return request

    def get_topic(self, request: Any) -> Any:
        return _topic_answer(self._broker.topic(request.topic))

    def list_topics(self, request: Any) -> Any:
        topics = {topic.name: topic for topic in self._broker.topics(request.project)}
        names, token = _page(list(topics), request)
        listed = [_topic_answer(topics[name]) for name in names]
        return types.ListTopicsResponse.pb()(topics=listed, next_page_token=token)

    def list_topic_subscriptions(self, request: Any) -> Any:
        names, token = _page(self._broker.topic_subscriptions(request.topic), request)
        return types.ListTopicSubscriptionsResponse.pb()(subscriptions=names, next_page_token=token)

    def delete_topic(self, request: Any) -> Any:
        self._broker.delete_topic(request.topic)
        return empty_pb2.Empty()

    def publish(self, request: Any) -> Any:
        contents = [
            Content(message.data, dict(message.attributes), message.ordering_key) for message in request.messages
        ]
        return types.PublishResponse.pb()(message_ids=self._broker.publish(request.topic, contents))


class SubscriberService:
    """`google.pubsub.v1.Subscriber`, less its streaming pull, which `streaming.py` answers.

    Args:
        broker: the state.
        streaming_pull: the handler of the method of that name.
        pull_wait_seconds: how long a pull waits for its first message.
        max_waiting_pulls: how many may wait at once; a pull beyond that answers at once with what is there.
    """

    def __init__(
        self,
        broker: Broker,
        streaming_pull: grpc.RpcMethodHandler[Any, Any],
        pull_wait_seconds: float,
        max_waiting_pulls: int,
    ) -> None:
        self._broker = broker
        self._streaming_pull = streaming_pull
        self._pull_wait_seconds = pull_wait_seconds
        self._places_to_wait = threading.BoundedSemaphore(max_waiting_pulls)

    def handler(self) -> grpc.GenericRpcHandler[Any, Any]:
        methods = {
            "CreateSubscription": unary(self.create_subscription, types.Subscription),
            "GetSubscription": unary(self.get_subscription, types.GetSubscriptionRequest),
            "ListSubscriptions": unary(self.list_subscriptions, types.ListSubscriptionsRequest),
            "DeleteSubscription": unary(self.delete_subscription, types.DeleteSubscriptionRequest),
            "Pull": unary(self.pull, types.PullRequest),
            "StreamingPull": self._streaming_pull,
            "Acknowledge": unary(self.acknowledge, types.AcknowledgeRequest),
            "ModifyAckDeadline": unary(self.modify_ack_deadline, types.ModifyAckDeadlineRequest),
        }
        return grpc.method_handlers_generic_handler("google.pubsub.v1.Subscriber", methods)

    def create_subscription(self, request: Any) -> Any:
        _refuse_unsupported_fields(request, _SUBSCRIPTION_FIELDS, "a subscription")
        subscription = Subscription(
            name=request.name,
            topic=request.topic,
            ack_deadline_seconds=request.ack_deadline_seconds or MIN_ACK_DEADLINE_SECONDS,
            labels=dict(request.labels),
        )
        self._broker.create_subscription(subscription)
        return _subscription_answer(subscription)

    def get_subscription(self, request: Any) -> Any:
        return _subscription_answer(self._broker.subscription(request.subscription))

    def list_subscriptions(self, request: Any) -> Any:
        subscriptions = {each.name: each for each in self._broker.subscriptions(request.project)}
        names, token = _page(list(subscriptions), request)
        listed = [_subscription_answer(subscriptions[name]) for name in names]
        return types.ListSubscriptionsResponse.pb()(subscriptions=listed, next_page_token=token)

    def delete_subscription(self, request: Any) -> Any:
        self._broker.delete_subscription(request.subscription)
        return empty_pb2.Empty()

    def pull(self, request: Any) -> Any:
        may_wait = not request.return_immediately and self._places_to_wait.acquire(blocking=False)
        try:
            wait_seconds = self._pull_wait_seconds if may_wait else 0.0
            received = self._broker.pull(request.subscription, request.max_messages, wait_seconds)
        finally:
            if may_wait:
                self._places_to_wait.release()
        return types.PullResponse.pb()(received_messages=received_messages(received))

    def acknowledge(self, request: Any) -> Any:
        _require_ack_ids(request)
        self._broker.acknowledge(request.subscription, request.ack_ids)
        return empty_pb2.Empty()

    def modify_ack_deadline(self, request: Any) -> Any:
        _require_ack_ids(request)
        self._broker.modify_ack_deadline(request.subscription, request.ack_ids, request.ack_deadline_seconds)
        return empty_pb2.Empty()


class UnsupportedMethods(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in its stubs only
    """Answers every method that no handler before it knows: seeking, snapshots, schemas, updates, access."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        method = details.method.rpartition("/")[2]

        def refuse(request: Any, context: grpc.ServicerContext) -> NoReturn:
            abort(context, UnsupportedError(f"this emulator does not implement {method}"))

        return grpc.unary_unary_rpc_method_handler(refuse)


def unary(answer: Callable[[Any], Any], request_type: Any) -> grpc.RpcMethodHandler[Any, Any]:
    """`answer` as a gRPC method, called with the protobuf beneath `request_type`; it may raise ours."""

    def behaviour(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return answer(request)
        except EmulatorError as error:
            abort(context, error)

    return grpc.unary_unary_rpc_method_handler(
        behaviour, request_deserializer=request_type.pb().FromString, response_serializer=serialized
    )


def abort(context: grpc.ServicerContext, error: EmulatorError) -> NoReturn:
    """End the call with the status that `error` stands for."""
    context.abort(grpc.StatusCode[error.status], str(error))
    raise AssertionError("abort always raises")  # pragma: no cover


def serialized(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def received_messages(received: Sequence[Received]) -> list[Any]:
    """What was leased, as the API says it."""
    answers = []
    for ack_id, message in received:
        answer = _ReceivedMessage(ack_id=ack_id)
        content = message.content
        answer.message.data = content.data
        answer.message.attributes.update(content.attributes)
        answer.message.message_id = message.message_id
        answer.message.ordering_key = content.ordering_key
        answer.message.publish_time.FromDatetime(message.publish_time)
        answers.append(answer)
    return answers


def _topic_answer(topic: Topic) -> Any:
    return _Topic(name=topic.name, labels=topic.labels, state=types.Topic.State.ACTIVE)


def _subscription_answer(subscription: Subscription) -> Any:
    return _Subscription(
        name=subscription.name,
        topic=subscription.topic,
        ack_deadline_seconds=subscription.ack_deadline_seconds,
        labels=subscription.labels,
        push_config=types.PushConfig.pb()(),
        state=types.Subscription.State.ACTIVE,
    )


def _refuse_unsupported_fields(request: Any, supported: frozenset[str], what: str) -> None:
    """Raise UnsupportedError where a field asks for what the emulator lacks; an empty one asks nothing."""
    for descriptor, value in request.ListFields():
        asks_nothing = descriptor.message_type is not None and not descriptor.is_repeated and not value.ByteSize()
        if descriptor.name not in supported | _OUTPUT_ONLY_FIELDS and not asks_nothing:
            raise UnsupportedError(f"this emulator does not implement {descriptor.name} of {what}")


def _require_ack_ids(request: Any) -> None:
    if not request.ack_ids:
        raise InvalidArgumentError("no ack_ids were given")


def _page(names: list[str], request: Any) -> tuple[list[str], str]:
    """The next page of sorted `names`, and the token of the one after: the last name given so far."""
    if request.page_size < 0:
        raise InvalidArgumentError(f"page_size must not be negative, got {request.page_size}")
    rest = [name for name in names if name > request.page_token]
    size = min(request.page_size or MAX_PAGE_SIZE, MAX_PAGE_SIZE)
    page = rest[:size]
    return page, page[-1] if len(rest) > size else ""
