Feature: Backpressure
  The queue in front of the workers has a fixed size. When it is full, orders are
  refused at once and the client is told when to come back: nothing is buffered
  without a bound, and nobody waits for a place in the dark. What was taken gets
  its outcome.

  Scenario Outline: A full queue refuses at once
    Given a service
    And its only worker never gets done with an order
    And its queue has room for 3 orders
    And clients that speak <protocol>
    When orders are submitted until the queue is full
    And the client submits order "one-too-many" worth 1
    Then the client is told that the queue is full
    And the status is <status>
    And the client is asked to come back after 1 to 60 seconds
    And sending the same order again is safe
    And order "one-too-many" is not known
    And the service is ready for orders

    Examples:
      | protocol | status             |
      | HTTP | 503                |
      | gRPC | RESOURCE_EXHAUSTED |

  Scenario: The status of the refusal can be chosen
    Given a service
    And its only worker never gets done with an order
    And its queue has room for 1 order
    And it says 429 when its queue is full
    When orders are submitted until the queue is full
    And the client submits order "one-too-many" worth 1
    Then the client is told that the queue is full
    And the status is 429

  Scenario Outline: Who was refused and comes back later is taken
    Given a service
    And its only worker takes 500ms for an order
    And its queue has room for 2 orders
    And clients that speak <protocol>
    When orders are submitted until one is refused
    Then the client is told that the queue is full
    And in the end every order accepted was processed, failed or withdrawn
    When the client submits the same order again
    Then the client is told that the order is queued
    And in the end every order accepted was processed, failed or withdrawn

    Examples:
      | protocol |
      | HTTP |
      | gRPC |

  Scenario Outline: The queue is bounded in bytes, too
    Given a service
    And its only worker never gets done with an order
    And its orders may take 64KiB of memory
    And it answers "queued" without waiting for outcomes
    And clients that speak <protocol>
    When the client submits order "a" of 20 KiB
    And the client submits order "b" of 20 KiB
    And the client submits order "c" of 20 KiB
    Then the client is told that the order is queued
    When the client submits order "d" of 20 KiB
    Then the client is told that the queue is full
    When the client submits order "small" worth 1
    Then the client is told that the order is queued

    Examples:
      | protocol |
      | HTTP |
      | gRPC |

  Scenario Outline: A burst beyond what the service can take
    Given a service
    And its 2 workers take 1ms to 10ms for an order and fail one in 10
    And its queue has room for 10 orders
    And it answers "queued" without waiting for outcomes
    And clients that speak <protocol>
    When 8 clients submit 50 orders each as fast as they can
    Then some of them are told at once that the queue is full
    And every order taken has an outcome in the end, and each outcome a sequence of its own
    And the service has accepted as many orders as clients were told

    Examples:
      | protocol |
      | HTTP |
      | gRPC |
