Feature: Metrics
  What happened to orders can be read in the format of Prometheus, on the order
  port and on the admin port. The three names that dashboards began with stand
  as they are: orders_processed, orders_failed, queue_depth.

  Scenario: A service that has done nothing yet
    Given a service
    Then the metrics have the lines
      """
      orders_processed 0
      orders_failed 0
      queue_depth 0
      ready 1
      """

  Scenario: Outcomes are counted
    Given a service
    And orders "a" and "b" are processed
    When the client submits order "c" worth -1
    Then the client is told that the order failed
    And the metrics have the lines
      """
      orders_processed 2
      orders_failed 1
      queue_depth 0
      orders_accepted 3
      """

  Scenario: Orders that wait for a worker are the queue's depth
    Given a service
    And its only worker never gets done with an order
    And its queue has room for 5 orders
    When orders are submitted until the queue is full
    Then the metrics have the lines
      """
      orders_processed 0
      queue_depth 5
      queue_capacity 5
      """

  Scenario: Every submission is counted once: accepted, duplicate, or refused
    Given a service
    And orders "a", "b" and "c" are processed
    When the client submits order "d" worth -1
    And the client submits order "a" worth 1 again
    And the client submits order "d" worth -1 again
    And the client submits order "a" worth 2
    And the client submits an order whose id is "a b" and whose value is 1
    Then in the end the service has counted 4 accepted, 3 processed, 1 failed, 2 duplicates, 1 refused as conflict and 1 refused as invalid
    And in the end every order accepted was processed, failed or withdrawn

  Scenario: What was taken at the time of the count is processed, failed, withdrawn or inside
    Given a service
    And its 2 workers take 1ms to 20ms for an order and fail one in 4
    And its queue has room for 20 orders
    When 8 clients submit 25 orders each as fast as they can
    Then in the end every order accepted was processed, failed or withdrawn
